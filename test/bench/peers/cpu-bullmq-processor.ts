import { perform, type Task } from './cpu-task.ts'

export default ({ data }: { data: Task }) => perform(data)
