import t from 'tap'
import { serve } from '../../supervisor/http/server.ts'
import { canSharePort, heldByOthers, PROJECT_HEADER, projectId } from '../../supervisor/http/share-port.ts'
import { freePort } from '../helpers/ports.ts'

const host = '127.0.0.1'
const appOf = (project: string) => ({ fetch: () => new Response('ok', { headers: { [PROJECT_HEADER]: project } }) })

t.test("a port is another's unless nobody answers or a front door of the project does", async (t) => {
  const port = await freePort()
  t.equal(await heldByOthers(host, port, 'a'), false)
  const server = await serve(appOf('a'), { host, port })
  t.teardown(() => server.stop(AbortSignal.abort()))
  t.equal(await heldByOthers(host, port, 'a'), false)
  t.equal(await heldByOthers(host, port, 'b'), true)
  t.equal(await heldByOthers('0.0.0.0', port, 'b'), true)
  t.match(projectId('/a'), /^[0-9a-f]{16}$/)
  t.not(projectId('/a'), projectId('/b'))
})

t.test(
  'front doors of one project share a port; others are told',
  { skip: !canSharePort && 'Node < 23.1' },
  async (t) => {
    const port = await freePort()
    for (let instance = 0; instance < 2; instance++) {
      const server = await serve(appOf('a'), { host, port }, 'a')
      t.teardown(() => server.stop(AbortSignal.abort()))
    }
    t.equal((await fetch(`http://${host}:${port}`)).status, 200)
    await t.rejects(serve(appOf('b'), { host, port }, 'b'), {
      code: 'EADDRINUSE',
      message: /in use by another process/,
    })
  },
)

t.test(
  'a Node that can not share says so to the second of them',
  { skip: canSharePort && 'Node >= 23.1' },
  async (t) => {
    const port = await freePort()
    const server = await serve(appOf('a'), { host, port }, 'a')
    t.teardown(() => server.stop(AbortSignal.abort()))
    process.env.NODE_APP_INSTANCE = '1'
    t.teardown(() => delete process.env.NODE_APP_INSTANCE)
    await t.rejects(serve(appOf('a'), { host, port }, 'a'), {
      code: 'EADDRINUSE',
      message: /Node 23\.1 or later is needed/,
    })
  },
)
