/** Why no test has a RabbitMQ, where the run is to need nothing but Node; else false. */
export const embeddedOnly: string | false =
  process.env.WARREN_EMBEDDED_ONLY === '1' && 'Tests that need a RabbitMQ of their own: `npm run test:all` has them.'
