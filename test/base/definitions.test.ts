import t from 'tap'
import { z } from 'zod'
import { defineFanout, defineQueue, defineWorker, isWorkerDefinition } from '../../supervisor/base/definitions.ts'
import { DefinitionError } from '../../supervisor/base/errors.ts'

const data = z.object({ n: z.int() })
const queue = defineQueue('q', { data })
const fanout = defineFanout('f', { data })
const handler = () => {}

/** The problems of a call that types would refuse: a user may write JavaScript, or ignore types. */
function problems(define: (...args: never[]) => unknown, ...args: unknown[]): string {
  try {
    define(...(args as never[]))
  } catch (error) {
    if (error instanceof DefinitionError) return error.message
    throw error
  }
  return 'none'
}

t.test('a worker has every option settled', async (t) => {
  const inline = { concurrency: 10, threads: 0, timeout: 60_000, memoryLimitMb: 256, subscription: 'group' }
  t.match(defineWorker(queue, { handler }), { kind: 'worker', address: queue, handler, ...inline })
  t.match(defineWorker(queue, { handler, threads: 2, timeout: '20s' }), { concurrency: 2, threads: 2, timeout: 20_000 })
  t.ok(isWorkerDefinition(defineWorker(fanout, { handler, subscription: 'instance' })))
  t.notOk(isWorkerDefinition({ handler }))
})

t.test('unknown options and invalid values are listed at once, with suggestions', async (t) => {
  const message = problems(defineWorker, queue, {
    handler: 1,
    concurency: 5,
    threads: -1,
    timeout: 'soon',
    subscription: 'group',
  })
  t.match(message, /^defineWorker\('q'\) is not valid:\n/)
  t.match(message, /unknown option 'concurency' \(did you mean 'concurrency'\?\)/)
  t.match(message, /handler: expected a function, found 1/)
  t.match(message, /threads: expected a whole number from 0 to 256, found -1/)
  t.match(message, /timeout: expected milliseconds or a string .* found 'soon'/)
  t.match(message, /subscription: expected only on a fanout's worker/)
})

t.test('options that contradict each other', async (t) => {
  t.match(problems(defineWorker, queue, { handler, memoryLimitMb: 64 }), /memoryLimitMb: expected only with 'threads'/)
  t.match(
    problems(defineWorker, queue, { handler, threads: 2, concurrency: 5 }),
    /concurrency: expected 2, the number of threads/,
  )
  t.match(
    problems(defineWorker, fanout, { handler, subscription: 'both' }),
    /subscription: expected 'group' or 'instance', found 'both'/,
  )
})

t.test('wrong arguments', async (t) => {
  t.match(
    problems(defineWorker, { name: 'q' }, { handler }),
    /expected a queue or a fanout as the first argument, found an object/,
  )
  t.match(
    problems(defineWorker, queue, handler),
    /expected an object of options as the second argument, found a function/,
  )
  t.match(problems(defineQueue, 'a.b', { data }), /name: expected 1 to 100 letters.* found 'a\.b'/)
  t.match(
    problems(defineQueue, 'q', { dta: data }),
    /unknown option 'dta' \(did you mean 'data'\?\)[\s\S]*data: expected a zod schema, found nothing/,
  )
  t.match(problems(defineFanout, 'f', undefined), /expected \{ data \} as the second argument, found nothing/)
})

t.test('a schema of what JSON can not carry is refused where it is defined', async (t) => {
  t.match(
    problems(defineQueue, 'q', { data: z.object({ at: z.date() }) }),
    /data: expected a schema of what JSON can carry/,
  )
  t.match(problems(defineQueue, 'q', { data, result: z.bigint() }), /result: expected a schema of what JSON can carry/)
  t.ok(
    defineQueue('q', {
      data: z.object({
        at: z.iso
          .datetime()
          .transform((text) => new Date(text))
          .pipe(z.date()),
      }),
    }),
  )
})
