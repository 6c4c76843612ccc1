// A segment is one record with many messages: a put for each would cost ten times as much and a page of its own.
//   magic u32 | crc32 u32 of all behind it | count u32 | records
// record: flags u8 | position - first u32 | expiresAt f64? | exchange, routing key (u8 + bytes each)? | properties, body
// (u32 + bytes each). The exchange and routing key are left out if they are the previous record's. Instead of a shared
// body there is its place: id u48 | length u32 | crc32 u32.

export const MAGIC = 0x31534757 // "WGS1"
export const HEADER = 12
export const PERSISTENT = 1
export const SAME_ADDRESS = 2
export const EXPIRES = 4
export const DEAD = 8
export const ONLY_KEY = 16
export const SHARED = 32
/** Bytes of a shared body's place. */
export const PLACE = 14
