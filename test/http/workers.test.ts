import t from 'tap'
import { AutoscalerUnavailableError } from '../../supervisor/base/errors.ts'
import { aFleet, aWorker } from '../helpers/fleet.ts'
import { startFrontDoor } from '../helpers/front-door.ts'

const worker = aWorker()

t.test('all workers, and one', async (t) => {
  const { url } = await startFrontDoor(t, { fleet: aFleet([worker, aWorker({ name: 'send' })]) })
  const all = await fetch(`${url}/workers`)
  t.equal(all.status, 200)
  t.match(await all.json(), { workers: [worker, { name: 'send' }] })
  t.same(await (await fetch(`${url}/workers/resize`)).json(), worker)
})

t.test('one that is not there', async (t) => {
  const { url } = await startFrontDoor(t, { fleet: aFleet([worker]) })
  const response = await fetch(`${url}/workers/resise`)
  t.equal(response.status, 404)
  t.match(await response.json(), { detail: "Expected one of resize; found 'resise' (did you mean 'resize'?)." })
})

const broken = [
  { name: 'crop', file: 'workers/crop.ts', reason: 'workers/crop.ts: expected a file that can be imported' },
]

t.test('one whose file is broken hides none of the others, and is named', async (t) => {
  const { url } = await startFrontDoor(t, { fleet: aFleet([worker]), broken })
  t.match(await (await fetch(`${url}/workers`)).json(), { workers: [worker], broken })
  t.equal((await fetch(`${url}/workers/resize`)).status, 200)
  const response = await fetch(`${url}/workers/crop`)
  t.equal(response.status, 404)
  t.match(await response.json(), { detail: `The file of worker 'crop' is broken: ${broken[0]?.reason}` })
})

t.test('nobody to ask', async (t) => {
  const nobody = await startFrontDoor(t, { fleet: aFleet(new AutoscalerUnavailableError()) })
  const refused = await fetch(`${nobody.url}/workers`)
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('retry-after'), '1')
  t.match(await refused.json(), { detail: /^No autoscaler answers/ })

  const away = { status: 'waiting', reason: 'nothing listens' }
  const cut = await startFrontDoor(t, { fleet: aFleet([worker]), state: away })
  t.equal((await fetch(`${cut.url}/workers/resize`)).status, 503)
})

t.test('only with a key, where there are keys', async (t) => {
  const { url } = await startFrontDoor(t, { fleet: aFleet([worker]), apiKeys: ['secret'] })
  t.equal((await fetch(`${url}/workers`)).status, 401)
  t.equal((await fetch(`${url}/workers`, { headers: { authorization: 'Bearer secret' } })).status, 200)
})
