#!/usr/bin/env node
// The command line's door. It imports nothing before it knows that this Node can read the rest.
const OLDEST = '20.19'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const [oldestMajor = 0, oldestMinor = 0] = OLDEST.split('.').map(Number)
if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
  console.error(`Warren needs Node ${OLDEST} or newer, found ${process.versions.node}. Install one: https://nodejs.org`)
  process.exit(1)
}
await import('./command-line.ts')
