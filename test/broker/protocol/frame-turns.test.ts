import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createFrameTurns } from '../../../supervisor/broker/protocol/frame-turns.ts'

const CLIENTS = 50
/** Milliseconds. */
const EACH = 5

t.test('all clients together have a part of each turn, and everybody’s turn comes', async (t) => {
  const turns = createFrameTurns((error) => void t.fail(String(error)))
  const handled: number[] = []
  let inThisTurn = 0
  let most = 0

  function handle(client: number): void {
    for (const end = performance.now() + EACH; performance.now() < end; );
    handled.push(client)
    most = Math.max(most, ++inThisTurn)
  }

  for (let client = 0; client < CLIENTS; client++) {
    if (turns.isOver()) turns.wait(() => handle(client))
    else handle(client)
  }
  while (handled.length < CLIENTS) {
    await turn()
    inThisTurn = 0
  }
  t.same(handled, [...Array(CLIENTS).keys()], 'in the order in which they came')
  t.ok(most <= 5, `${most} in one turn`)
})

t.test('a client that has had its share lets others go on, if there are any', (t) => {
  let time = 100
  const turns = createFrameTurns(
    (error) => void t.fail(String(error)),
    () => time,
  )
  t.notOk(turns.isOver(100))
  time += 3
  t.notOk(turns.isOver(100), 'nobody waits')
  turns.wait(() => {})
  t.ok(turns.isOver(100))
  t.notOk(turns.isOver(103), 'another one has its own')
  time += 3
  t.ok(turns.isOver(106), 'but all together no more than a part of the turn')
  t.end()
})

t.test('who has waited gets a share, too, while others still wait', async (t) => {
  let time = 100
  const turns = createFrameTurns(
    (error) => void t.fail(String(error)),
    () => time,
  )
  const hadEnough: boolean[] = []
  for (let client = 0; client < 3; client++) {
    turns.wait(function handle() {
      const began = time
      turns.isOver(began)
      time += 1.5
      hadEnough.push(turns.isOver(began))
    })
  }
  await turn()
  t.same(hadEnough, [true, true, false], 'but the last one, whom nobody waits for')
})
