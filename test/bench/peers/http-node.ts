// The least that can be done: node:http hands a body on, whatever is in it.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerCalls } from './host.ts'
import { openPublisher } from './publish-one.ts'

const [url = '', queue = ''] = process.argv.slice(2)
const publish = await openPublisher(url, queue)
const server = createServer(function onRequest(request, response) {
  const chunks: Buffer[] = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', async function send() {
    const body = JSON.stringify({ id: await publish(Buffer.concat(chunks)) })
    response.writeHead(202, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
  })
})
const listening = new Promise<number>((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
})

answerCalls({ port: () => listening })
