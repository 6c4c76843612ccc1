import t from 'tap'
import type { WorkerSummary } from '../../supervisor/base/fleet.ts'
import { welcome } from '../../supervisor/commands/welcome.ts'

const scale = {} as NonNullable<WorkerSummary['scale']>
const config = { host: '127.0.0.1', port: 4000, apiKeys: [] }

t.test('it names a worker that pm2 scales, one that the autoscaler does, or none', async (t) => {
  const hints = (...workers: { name: string; scale?: typeof scale }[]) =>
    welcome(config, { changed: true, dev: false, workers })
      .split('\n')
      .filter((line) => line.includes('scale'))
  t.same(hints({ name: 'history' }, { name: 'thumbnail', scale }), ['  npx pm2 scale history 4'])
  t.same(hints({ name: 'a', scale }, { name: 'b' }), ['  npx pm2 scale b 4'])
  t.same(hints({ name: 'a', scale }), ['  npx warren scale a 2'])
  t.same(hints(), [])
})

t.test('it says where it listens, and how to get in', async (t) => {
  const example = { changed: true, dev: false, workers: [{ name: 'history' }] }
  t.match(
    welcome(config, { ...example, workers: [] }),
    /ready at http:\/\/127\.0\.0\.1:4000\. Try:\n\n {2}curl -s http:\S+\/readyz\n {2}npm run logs/,
  )
  t.match(welcome(config, example), 'curl -s http://127.0.0.1:4000/video -o video.mp4')
  t.match(welcome({ ...config, apiKeys: ['k'] }, example), 'curl -s -H "authorization: Bearer $API_KEY" http')
  t.match(
    welcome({ ...config, host: '::' }, { ...example, changed: false }),
    'already running at http://localhost:4000',
  )
  t.match(welcome({ ...config, host: '::1' }, { ...example, dev: true }), 'http://[::1]:4000, with live reload')
})
