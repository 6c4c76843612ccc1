import { Hono } from 'hono'
import type { FrontDoor } from 'warren'
import history from './history.ts'
import recommendations from './recommendations.ts'
import thumbnails from './thumbnails.ts'
import video from './video.ts'
import viewed from './viewed.ts'

// Mounted here, a route is part of the typed client's type. One that is not is served all the same, at its file's name.
const app = new Hono<FrontDoor>()
  .route('/video', video)
  .route('/viewed', viewed)
  .route('/history', history)
  .route('/recommendations', recommendations)
  .route('/thumbnails', thumbnails)

export default app

/** For Hono's typed client: `hc<App>('http://localhost:4000')`. */
export type App = typeof app
