import t from 'tap'
import { loadRoutes } from '../../supervisor/http/routes.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { startFrontDoor } from '../helpers/front-door.ts'
import type { Teardown } from '../helpers/tmp.ts'

/** A project of these routes, by the name of their file. */
function project(t: Teardown, routes: Record<string, string>): string {
  return compiledProject(t, Object.fromEntries(Object.entries(routes).map(([file, text]) => [`routes/${file}`, text])))
}

const hello = `import { Hono } from 'hono'
export default new Hono().get('/', (c) => c.text('hello from NAME'))`

t.test('index mounts what it mounts, every other file is at its name', async (t) => {
  const root = project(t, {
    'index.ts': `import { Hono } from 'hono'
      import a from './a.js'
      import guarded from './guarded.js'
      export default new Hono().get('/', (c) => c.text('home')).route('/deep/a', a).route('/guarded', guarded)`,
    'a.ts': hello.replace('NAME', 'a'),
    'guarded.ts': `import { Hono } from 'hono'
      const app = new Hono().get('/', () => { throw new Error('no') })
      app.onError((error, c) => c.text('handled ' + error.message, 418))
      export default app`,
    'b.mts': hello.replace('NAME', 'b'),
    'types.d.ts': '',
    'notes/n.ts': 'not a route',
  })
  const routes = await loadRoutes(root)
  t.same(
    routes.map(({ path, file }) => [path, file]),
    [
      ['/', 'routes/index.ts'],
      ['/b', 'routes/b.mts'],
    ],
  )

  const { url } = await startFrontDoor(t, { routes })
  const text = async (path: string) => (await fetch(url + path)).text()
  t.equal(await text('/'), 'home')
  t.equal(await text('/deep/a'), 'hello from a')
  t.equal(await text('/b'), 'hello from b')
  t.equal(await text('/guarded'), 'handled no')
  t.equal((await fetch(`${url}/a`)).status, 404, 'mounted elsewhere, not here as well')
})

t.test('without an index every file is at its name; without a folder there are no routes', async (t) => {
  const root = project(t, { 'a.ts': hello, 'b.ts': hello })
  t.same(
    (await loadRoutes(root)).map(({ path }) => path),
    ['/a', '/b'],
  )
  t.same(await loadRoutes('/nowhere'), [])
})

t.test('a broken file stops the start and is named', async (t) => {
  const broken: Record<string, [Record<string, string>, RegExp[]]> = {
    'no default export': [
      { 'x.ts': 'export const y = 1' },
      [/^routes\/x\.ts: expected a Hono app/, /no default export/],
    ],
    'not a Hono app': [
      { 'x.ts': 'export default { fetch() {} }' },
      [/^routes\/x\.ts: expected/, /object of another kind/],
    ],
    'a number': [{ 'x.ts': 'export default 7' }, [/^routes\/x\.ts: expected/, /found a number/]],
    'a syntax error': [{ 'x.ts': 'export default {' }, [/^routes\/x\.ts/, /syntax error/i]],
    'an error at import': [{ 'x.ts': "throw new Error('boom')" }, [/^routes\/x\.ts/, /boom/]],
    'a missing import': [{ 'x.ts': "import './nowhere.js'" }, [/^routes\/x\.ts/, /nowhere\.js/]],
    'told of the file, not of the index that imports it': [
      { 'index.ts': `import x from './x.js'\n${hello}\nexport { x }`, 'x.ts': 'export const y = 1' },
      [/^routes\/x\.ts: expected a Hono app/],
    ],
    'two of one name': [{ 'x.ts': hello, 'x.mts': hello }, [/routes\/x\.ts/, /routes\/x\.mts/, /expected one file/]],
    'two that differ in case': [{ 'x.ts': hello, 'X.ts': hello }, [/routes\/x\.ts/, /routes\/X\.ts/]],
    'a bad name': [{ 'x.y.ts': hello }, [/^routes\/x\.y\.ts: expected a name/]],
  }
  for (const [what, [files, patterns]] of Object.entries(broken)) {
    const error = await loadRoutes(project(t, files)).then(
      () => undefined,
      (error: Error) => error,
    )
    t.equal(error?.name, 'DiscoveryError', what)
    for (const pattern of patterns) t.match(error?.message, pattern, what)
  }
})

t.test("Warren's own names stay free", async (t) => {
  const taking: [Record<string, string>, RegExp][] = [
    [{ 'workers.ts': hello }, /^routes\/workers\.ts: .*GET \/workers, which takes \/workers/],
    [
      { 'index.ts': `import { Hono } from 'hono'\nexport default new Hono().get('/metrics/x', (c) => c.text(''))` },
      /^routes\/index\.ts: .*\/metrics/,
    ],
    [
      { 'index.ts': `import { Hono } from 'hono'\nexport default new Hono().get('/:any', (c) => c.text(''))` },
      /GET \/:any, which takes \/healthz/,
    ],
    [
      { 'index.ts': `import { Hono } from 'hono'\nexport default new Hono().all('*', (c) => c.text(''))` },
      /ALL \/\*, which takes \/healthz/,
    ],
    [
      { 'index.ts': `import { Hono } from 'hono'\nexport default new Hono().get('/:n{do[a-z]+}', (c) => c.text(''))` },
      /takes \/docs/,
    ],
  ]
  for (const [files, pattern] of taking) {
    await t.rejects(loadRoutes(project(t, files)), { name: 'DiscoveryError', message: pattern })
  }

  const free = project(t, {
    'index.ts': `import { Hono } from 'hono'
      export default new Hono().use('*', async (c, next) => { await next() })
        .get('/:id{[0-9]+}', (c) => c.text('number')).get('/worker/:any', (c) => c.text('any'))`,
  })
  const { url } = await startFrontDoor(t, { routes: await loadRoutes(free) })
  t.equal(await (await fetch(`${url}/17`)).text(), 'number')
  t.same(await (await fetch(`${url}/healthz`)).json(), { status: 'ok' })
})
