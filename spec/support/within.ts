/** Folders within the repository, where `dinograph` is found as an installed package is. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { root } from '../rooms/rooms.ts'

/** A new one, which is gone after the tests of a file. */
export const folderWithin = (prefix: string): string => {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, `.cache/${prefix}-`))
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}
