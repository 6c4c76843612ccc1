import { join } from 'node:path'
import t from 'tap'
import { runToEnd } from './helpers/process.ts'

const ROOT = join(import.meta.dirname, '../..')

t.test('what `npm pack` puts into the package', async (t) => {
  const { code, stdout, stderr } = await runToEnd('npm', ['pack', '--dry-run', '--json'], { cwd: ROOT })
  t.equal(code, 0, stderr)
  const [{ files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [{ files: { path: string }[] }]
  const paths = files.map(({ path }) => path)
  for (const path of ['dist/supervisor/cli.js', 'dist/supervisor/index.d.ts', 'dist/supervisor/sandbox.js']) {
    t.ok(paths.includes(path), `${path}, which \`prepack\` has compiled`)
  }
  for (const path of ['supervisor/build.cjs', 'supervisor/base/lock-file.cjs', 'README.md', 'LICENSE']) {
    t.ok(paths.includes(path), path)
  }
  t.same(
    paths.filter((path) => /^(dist\/)?(test|workers|routes)\//.test(path)),
    [],
    'nothing of the tests and of the example',
  )
})
