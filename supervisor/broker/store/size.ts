import { closeSync, openSync, statfsSync } from 'node:fs'
import { endianness } from 'node:os'
import { join } from 'node:path'
import { brokerFolder } from '../../base/broker-credentials.ts'
import type { Config } from '../../base/config.ts'
import type { StoreSize } from '../../base/fleet.ts'
import { DATA_FILE } from './format.ts'
import { FIRST_PAGE, FileProblem, type Meta, newest, pagesOf, readMetas } from './pages.ts'

/** The store of the broker that a configuration names; undefined if that is not the embedded one. */
export function embeddedStoreSize({ amqpUrls, dataDir }: Pick<Config, 'amqpUrls' | 'dataDir'>): StoreSize | undefined {
  return amqpUrls.length > 0 ? undefined : storeSize(brokerFolder(dataDir))
}

/**
 * Reads how large a folder's store is from its file, which a broker may be writing to: a commit's last step is one small
 * write there, so this is what some commit has left.
 * @returns undefined if there is no store, or nothing to be read of it
 */
export function storeSize(folder: string): StoreSize | undefined {
  const meta = endianness() === 'LE' ? metaOf(join(folder, DATA_FILE)) : undefined
  if (!meta) return undefined
  const pages = meta.lastPage + 1
  const unused = pages - FIRST_PAGE - pagesOf(meta.main) - pagesOf(meta.free)
  return { size: pages * meta.pageSize, unused: unused * meta.pageSize, free: freeOf(folder) }
}

function metaOf(path: string): Meta | undefined {
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    return newest(readMetas(file))
  } catch (error) {
    if (error instanceof FileProblem || (error as NodeJS.ErrnoException).code !== undefined) return undefined
    throw error
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function freeOf(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return null
  }
}
