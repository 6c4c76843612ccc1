// `npm run bench -- NAME`: runs the benchmark of that name, and fails if it misses one of its targets.
const benches: Record<string, () => Promise<{ bench: () => Promise<boolean> }>> = {
  broker: () => import('./broker.ts'),
  scaling: () => import('./scaling.ts'),
}

const [name = ''] = process.argv.slice(2)
const load = benches[name]
if (load) {
  const { bench } = await load()
  process.exitCode = (await bench()) ? 0 : 1
} else {
  console.error(`npm run bench -- NAME, where NAME is one of: ${Object.keys(benches).join(', ')}`)
  process.exitCode = 1
}
