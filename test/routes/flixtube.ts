import routes from '../../routes/index.ts'
import { closeDatabase } from '../../workers/stores/database.ts'
import { type FrontDoorOptions, type StartedFrontDoor, startFrontDoor } from '../helpers/front-door.ts'
import { type Teardown, temporaryFolder } from '../helpers/tmp.ts'

/** FlixTube's routes on a real port, over a data folder of its own. */
export async function startFlixTube(
  t: Teardown,
  options: FrontDoorOptions = {},
): Promise<StartedFrontDoor & { dataDir: string }> {
  const dataDir = temporaryFolder(t)
  process.env.DATA_DIR = dataDir
  delete process.env.DATABASE_URL
  t.teardown(closeDatabase)
  return { ...(await startFrontDoor(t, { ...options, routes })), dataDir }
}
