/** Programs on a disk that fails, waits, or is written down (disk.c): where a C compiler is, and the system loads what LD_PRELOAD names. */
import { readFile } from 'node:fs/promises'
import { findCompiler, libraryOf } from '../../compiler/targets/native/compiler.ts'

const source = new URL('disk.c', import.meta.url)

/** What a disk does to the files below a folder. */
export interface Disk {
  /** Absolute. */
  readonly under: string
  /** How many bytes all files whose path has this part can take; then there is no room. */
  readonly full?: { readonly part: string; readonly bytes: number }
  /** Folders cannot be forced to the disk, as on some network file systems. */
  readonly foldersRefused?: boolean
  /** Milliseconds that each call takes more. */
  readonly slow?: number
  /** The time of day runs backwards, from so many seconds ago. */
  readonly clockBack?: number
  /** Where all changes are written down (crash.ts). */
  readonly log?: string
}

const made = async (): Promise<string | undefined> => {
  if (process.platform !== 'linux') return undefined
  const compiler = await findCompiler()
  if ('_tag' in compiler) return undefined
  const library = await libraryOf(compiler, 'disk', [await readFile(source, 'utf8')])
  if (typeof library !== 'string') throw new Error(library.found)
  return library
}

/** The library; nothing where this machine cannot have one. */
export const disk: string | undefined = await made()

/** The environment of a program whose files lie on such a disk. */
export const onDisk = (d: Disk): Readonly<Record<string, string>> => ({
  LD_PRELOAD: disk ?? '',
  DISK_UNDER: d.under,
  ...(d.full === undefined ? {} : { DISK_FULL: `${d.full.part}:${d.full.bytes}` }),
  ...(d.foldersRefused === true ? { DISK_FOLDERS: '1' } : {}),
  ...(d.slow === undefined ? {} : { DISK_SLOW: `${Math.round(1000 * d.slow)}` }),
  ...(d.clockBack === undefined ? {} : { DISK_CLOCK: `${d.clockBack}` }),
  ...(d.log === undefined ? {} : { DISK_LOG: d.log }),
})
