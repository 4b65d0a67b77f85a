/** Which column of a table has the paths, and where the files of its rows are. */
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { counted, note } from '../note.ts'
import { cellText } from './boxes.ts'
import { candidates, named } from './columns.ts'
import type { Finder, Found } from './paths.ts'
import { isFile, placeOf } from './table.ts'
import type { Table } from './table.ts'

/** Rows that tell a column of paths from others. */
const tried = 16

const isAddress = (text: string): boolean => /^(https?|s3|gs|ftp):\/\//i.test(text)

/**
 * The column of paths: the first that is called so and whose files are there; else one whose files are there, where its texts are called as
 * files are, or all of them are found. Numbers that happen to be names of files are no paths beside a column that has some. Fault: none,
 * with the columns that there are.
 */
export const pathColumn = async (t: Table, { find }: Finder, name: string): Promise<Either<Fault, number>> => {
  const none = (found: string): Either<Fault, number> =>
    E.left(
      fault('data', {
        place: t.file,
        found: `${found} the columns ${t.names.join(', ')}`,
        allowed: 'a column with the paths of images: path, file_name, image, …, or any whose files are there',
        remedy: "name the column: --set data.columns.path=NAME, or correct the paths, which count from the table's folder",
      }),
    )
  if (name !== '') {
    const chosen = named(t, name)
    return chosen === undefined ? none(`no column ${name} among`) : E.right(chosen)
  }
  const textsOf = (c: number): ReadonlyArray<string> =>
    t.columns[c]
      .slice(0, tried)
      .map(cellText)
      .filter((x) => x !== '')
  const foundIn = async (texts: ReadonlyArray<string>): Promise<number> => {
    let n = 0
    for (const text of texts) if ((await find(text)).how !== 'missing') n++
    return n
  }
  const likely = candidates(t, 'path')
  let [first, sure] = [likely.at(0), false]
  for (const c of likely) {
    const texts = textsOf(c)
    const files = texts.some((x) => isFile(x) || isAddress(x))
    if ((files || !sure) && (await foundIn(texts)) > 0) return E.right(c)
    if (files && !sure) [first, sure] = [c, true]
  }
  const others = t.names.map((_, i) => i).filter((i) => !likely.includes(i))
  for (const c of others) if (textsOf(c).some(isFile) && (await foundIn(textsOf(c))) > 0) return E.right(c)
  if (first !== undefined) return E.right(first)
  for (const c of others) {
    const texts = textsOf(c)
    if (texts.length > 0 && (await foundIn(texts)) === texts.length) return E.right(c)
  }
  return none('no paths in')
}

/** Where the files of rows are. */
export interface Located {
  /** '' where a row names none, nothing where none is there. */
  readonly paths: ReadonlyArray<string | undefined>
  /** The files of those paths that are folders. */
  readonly folders: ReadonlyMap<string, ReadonlyArray<string>>
  /** A note for each way in which paths had to be understood. */
  readonly notes: ReadonlyArray<string>
  /** What leads to no file. */
  readonly missing: ReadonlyArray<Fault>
}

const missingFile = (place: string, row: string, text: string): Fault =>
  fault('data', {
    place,
    found: `no such file, which ${row} names`,
    allowed: 'paths of files that are there',
    remedy: isAddress(text)
      ? 'download the file, and name where it lies'
      : 'correct the path, or leave out what cannot be read (npm run data: --on-error skip; training: --set data.onError=skip)',
  })

/** The files that texts name, row by row. */
export const located = async (t: Table, texts: ReadonlyArray<string>, { here, find }: Finder): Promise<Located> => {
  const paths: Array<string | undefined> = [...texts]
  const folders = new Map<string, ReadonlyArray<string>>()
  const ways = new Map<Found['how'], string[]>()
  const missing: Fault[] = []
  // what is there as it is written is looked up folder by folder
  for (const r of await here(texts)) {
    const text = texts[r]
    if (text === '') continue
    const { path, how, within } = await find(text)
    paths[r] = how === 'missing' ? undefined : path
    if (within !== undefined) folders.set(path, within)
    if (how === '') continue
    if (how === 'missing') missing.push(missingFile(join(dirname(t.file), path), placeOf(t, r), text))
    const known = ways.get(how)
    if (known === undefined) ways.set(how, [text])
    else known.push(text)
  }
  const notes = [...ways].map(([how, own]) =>
    how !== 'missing'
      ? note(`${counted(own.length, 'path')} found ${how}`, own)
      : note(
          `${own.length} of ${counted(t.lines.length, 'path')} ${own.some(isAddress) ? 'are web addresses, which have to be downloaded first' : 'lead to no file'}`,
          own,
          'data.onError=skip leaves them out',
        ),
  )
  return { paths, folders, notes, missing }
}

/** What the rows of a table call their images: by column `c`, or where it is blank by another one, as records differ. */
export const pathTexts = (t: Table, c: number): ReadonlyArray<string> => {
  const instead = candidates(t, 'path').filter((k) => k !== c)
  return t.columns[c].map((u, r) => {
    const own = cellText(u)
    return own !== '' ? own : (instead.map((k) => cellText(t.columns[k][r])).find((x) => x !== '') ?? '')
  })
}
