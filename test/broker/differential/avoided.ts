import type { Args, Program, Step } from './step.ts'

/** What programs leave out, because brokers differ there on purpose or by luck. */
interface Avoided {
  readonly reason: string
  rewrite(program: Program): Program
}

export const avoided: readonly Avoided[] = [
  {
    reason:
      'A message that is on its way to two queues can die in the first before it reaches the second, and be sent on to ' +
      'there. RabbitMQ promises no order then: a channel that publishes to a quorum queue for the first time registers ' +
      'with it before, and is overtaken.',
    rewrite: (program) => (isOvertaking(program) ? program.map(toOneQueue) : program),
  },
  {
    reason:
      'After an error that ends a connection, RabbitMQ ends its channels one by one, and what the first one had may still ' +
      'be delivered to the next. The embedded broker delivers nothing more to any of them.',
    rewrite: brokenAlone,
  },
  {
    reason:
      'RabbitMQ looks for what has expired when a message enters an empty queue, and when the first one of then is due. One ' +
      'that its priority puts in front of others is not looked at, and is delivered however long ago it expired.',
    rewrite: (program) => (expiresByPriority(program) ? program.map(withoutPriority) : program),
  },
  {
    reason:
      'What a channel had can die when the channel closes, and be sent on to a quorum queue that the same channel consumes. ' +
      'RabbitMQ may hand it to the closed channel, and counts its coming back twice.',
    rewrite: (program) =>
      isSentOnToQuorum(program) ? program.filter((step) => !consumesQuorum(step, program)) : program,
  },
]

export function comparable(program: Program): Program {
  return avoided.reduce((left, { rewrite }) => rewrite(left), program)
}

function hasArgument(program: Program, name: string): boolean {
  return program.some((step) => step.op === 'queue' && name in step.args)
}

function isOvertaking(program: Program): boolean {
  const diesAtOnce =
    ['x-message-ttl', 'x-max-length', 'x-max-length-bytes'].some((name) => hasArgument(program, name)) ||
    program.some((step) => step.op === 'publish' && ['0', '1'].includes(String(step.properties.expiration)))
  return diesAtOnce && isSentOnToQuorum(program)
}

function isSentOnToQuorum(program: Program): boolean {
  return quorumQueues(program).size > 0 && hasArgument(program, 'x-dead-letter-exchange')
}

function quorumQueues(program: Program): ReadonlySet<string> {
  const isQuorum = (step: Step) => step.op === 'queue' && step.args['x-queue-type'] === 'quorum'
  return new Set(program.filter(isQuorum).map((step) => ('queue' in step ? step.queue : '')))
}

function consumesQuorum(step: Step, program: Program): boolean {
  return step.op === 'consume' && quorumQueues(program).has(step.queue)
}

function expiresByPriority(program: Program): boolean {
  const expires =
    hasArgument(program, 'x-message-ttl') ||
    program.some((step) => step.op === 'publish' && step.properties.expiration !== undefined)
  return expires && hasArgument(program, 'x-max-priority')
}

function withoutPriority(step: Step): Step {
  if (step.op !== 'publish') return step
  const { priority: _, ...properties } = step.properties
  return { ...step, properties }
}

function toOneQueue(step: Step): Step {
  if (step.op !== 'publish') return step
  const { headers = {}, ...properties } = step.properties
  const { CC: _, BCC: __, ...others } = headers as Args
  return {
    ...step,
    exchange: step.exchange === 'missing' ? 'missing' : '',
    properties: { ...properties, headers: others },
  }
}

/** A tag that its channel has used before is used again where no other channel shares the connection. */
function brokenAlone(program: Program): Program {
  const used = new Set<string>()
  return program.map((step) => {
    if (step.op !== 'consume') return step
    const key = `${step.on} ${step.tag}`
    if (used.has(key)) return { ...step, on: 2 }
    used.add(key)
    return step
  })
}
