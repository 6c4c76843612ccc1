// AMQP 0-9-1: frames (4.2.3), the methods (1.8.3) and the properties (class basic) that a message takes.

export const METHOD = 1
export const HEADER = 2
export const BODY = 3
export const FRAME_END = 0xce
/** Octets of a frame beside its payload: type, channel and size before it, the end behind it. */
export const FRAME_HEAD = 7
export const FRAME_OVERHEAD = 8
/** Class and method in one number. */
export const BASIC_PUBLISH = (60 << 16) | 40
export const BASIC_RETURN = (60 << 16) | 50
export const BASIC_DELIVER = (60 << 16) | 60
export const BASIC = 60
/** Octets of a content header before the property flags: class, weight and the body's size. */
export const HEADER_FIXED = 12

/** The bits of the property flags, in the order in which the properties follow. */
export const FLAGS = {
  contentType: 1 << 15,
  contentEncoding: 1 << 14,
  headers: 1 << 13,
  deliveryMode: 1 << 12,
  priority: 1 << 11,
  correlationId: 1 << 10,
  replyTo: 1 << 9,
  expiration: 1 << 8,
  messageId: 1 << 7,
  timestamp: 1 << 6,
  type: 1 << 5,
  userId: 1 << 4,
  appId: 1 << 3,
  clusterId: 1 << 2,
} as const
