import type { QueueDefinition } from './queue.ts'

/** What a queue is by its definition. */
export class Defined implements QueueDefinition {
  readonly id: QueueDefinition['id']
  readonly name: QueueDefinition['name']
  readonly flags: QueueDefinition['flags']
  readonly args: QueueDefinition['args']
  readonly options: QueueDefinition['options']
  readonly owner: QueueDefinition['owner']

  constructor(definition: QueueDefinition) {
    this.id = definition.id
    this.name = definition.name
    this.flags = definition.flags
    this.args = definition.args
    this.options = definition.options
    this.owner = definition.owner
  }
}
