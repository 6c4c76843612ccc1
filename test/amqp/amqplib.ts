import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

// Its package.json exports no file of lib/, so this goes by path.
const require = createRequire(import.meta.url)
const lib = join(dirname(require.resolve('amqplib')), 'lib')

/** A method as amqplib's definitions describe it. */
export interface MethodInfo {
  readonly id: number
  readonly classId: number
  readonly methodId: number
  readonly name: string
  readonly args: readonly { readonly name: string; readonly type: string }[]
}

interface Definitions {
  encodeMethod(id: number, channel: number, fields: object): Buffer
  encodeProperties(id: number, channel: number, size: number, fields: object): Buffer
  decode(id: number, buffer: Buffer): Record<string, unknown>
  readonly BasicProperties: number
}

/** amqplib's own codec: the other side of the comparisons. */
export const amqplib: Definitions = require(join(lib, 'defs.js'))

/** All methods that amqplib knows, by ids: `60.40`. */
export const amqplibMethods: ReadonlyMap<string, MethodInfo> = new Map(
  Object.entries(amqplib as unknown as Record<string, MethodInfo>)
    .filter(([key]) => key.startsWith('methodInfo'))
    .map(([, info]) => [`${info.classId}.${info.methodId}`, info]),
)

interface TableCodec {
  encodeTable(buffer: Buffer, table: object, offset: number): number
  decodeFields(slice: Buffer): Record<string, unknown>
}

/** amqplib's field tables. */
export const amqplibTables: TableCodec = require(join(lib, 'codec.js'))
