import type { Args, Program, Step } from './step.ts'

/** What programs leave out, because brokers differ there on purpose or by luck. */
interface Avoided {
  readonly reason: string
  rewrite(program: Program): Program
}

export const avoided: readonly Avoided[] = [
  {
    reason:
      'A priority above 4 makes quorum queues of RabbitMQ 4.0.5 serve two such messages for each other one, which the ' +
      'embedded broker does not; and with priorities a message without any time to live outlives others in it.',
    rewrite: (program) => (hasArgument(program, 'x-max-priority') ? program.map(withoutTtl) : program),
  },
  {
    reason:
      'The single active consumer of a quorum queue that was to give way to one of a higher priority gets nothing any more ' +
      'in RabbitMQ 4.0.5 when that one has gone before. In the embedded broker it goes on.',
    rewrite: (program) => (hasArgument(program, 'x-single-active-consumer') ? program.map(withoutRank) : program),
  },
  {
    reason:
      'Without a delivery limit RabbitMQ 4.0.5 puts what is returned to a quorum queue behind everything else, and the ' +
      'embedded broker before it, as with a limit.',
    rewrite: (program) => program.map(limited),
  },
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
]

export function comparable(program: Program): Program {
  return avoided.reduce((left, { rewrite }) => rewrite(left), program)
}

function hasArgument(program: Program, name: string): boolean {
  return program.some((step) => step.op === 'queue' && name in step.args)
}

function withoutTtl(step: Step): Step {
  if (step.op === 'queue') return { ...step, args: without(step.args, 'x-message-ttl') }
  return step.op === 'publish' ? { ...step, properties: without(step.properties, 'expiration') } : step
}

function withoutRank(step: Step): Step {
  return step.op === 'consume' ? { ...step, args: without(step.args, 'x-priority') } : step
}

function limited(step: Step): Step {
  const isUnlimited = step.op === 'queue' && step.args['x-delivery-limit'] === -1
  return isUnlimited ? { ...step, args: without(step.args, 'x-delivery-limit') } : step
}

function isOvertaking(program: Program): boolean {
  const diesAtOnce =
    ['x-message-ttl', 'x-max-length', 'x-max-length-bytes'].some((name) => hasArgument(program, name)) ||
    program.some((step) => step.op === 'publish' && ['0', '1'].includes(String(step.properties.expiration)))
  const hasQuorum = program.some((step) => step.op === 'queue' && step.args['x-queue-type'] === 'quorum')
  return diesAtOnce && hasQuorum && hasArgument(program, 'x-dead-letter-exchange')
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

function without(table: Args, name: string): Args {
  const { [name]: _, ...rest } = table
  return rest
}
