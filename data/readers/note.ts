/** What a reader says of what it guessed, left out or changed: once, by `inspect` and by a run, whatever the data are. */

import { shownName } from '../../core/text.ts'

/** At most this many files are named; the others are counted. */
const named = 3

/** `a.bmp, b.bmp, c.bmp and 27 more` */
export const showFiles = (files: ReadonlyArray<string>, most = named): string => {
  const shown = files
    .slice(0, most)
    .map((f) => (/^[\x21-\x7e\u00a1-\ufffc]+$/.test(f) && shownName(f) === f ? f : shownName(JSON.stringify(f))))
    .join(', ')
  return files.length > most ? `${shown} and ${files.length - most} more` : shown
}

/**
 * A note: what was done, the files it is about, and what gives the other reading, the setting as it is written on a command line:
 * `note('8 binary masks are not read', ['seg.dcm'], 'data.select=SEG reads them')` is
 * `8 binary masks are not read: seg.dcm (--set data.select=SEG reads them)`.
 */
export const note = (what: string, files: ReadonlyArray<string> = [], otherwise = ''): string =>
  `${what}${files.length === 0 ? '' : `: ${showFiles(files)}`}${otherwise === '' ? '' : ` (--set ${otherwise})`}`

/** `1 file`, `2 files` */
export const counted = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`
