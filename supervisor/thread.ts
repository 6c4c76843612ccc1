// The entry of each piscina thread of a worker with `threads`.
export { runInThread as default } from './execution/in-thread.ts'
