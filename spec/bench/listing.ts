/**
 * How long it takes to list data of ImageNet's size, and the memory of it: folders of files, a table of them, WebDataset shards, Parquet.
 *
 *     npx tsx spec/bench/listing.ts [--items 1300000] [--kind folder|table|tar|parquet] [--at DIR]
 *
 * The data are made first (hard links of one picture for each class; archives of about 2 kB a sample) and stay in DIR for the next time.
 * Each listing runs in a process of its own; progress goes to stderr, one line of JSON for each to stdout.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, createWriteStream, existsSync, linkSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import sharp from 'sharp'
import { showFault } from '../../core/fault.ts'
import { openData } from '../../data/readers/index.ts'
import { parquetFile } from '../data/parquet-files.ts'
import { tarMember } from '../data/tar-files.ts'

const { values } = parseArgs({
  options: { items: { type: 'string' }, kind: { type: 'string' }, at: { type: 'string' }, list: { type: 'string' } },
})
const items = Number(values.items ?? 1_300_000)
const root = values.at ?? join(tmpdir(), `dinograph-listing-${items}`)
const classes = 1000

const picture = async (): Promise<Buffer> =>
  sharp({ create: { width: 32, height: 24, channels: 3, background: { r: 90, g: 30, b: 200 } } })
    .jpeg()
    .toBuffer()

const classOf = (i: number): string => `n${String(i % classes).padStart(8, '0')}`

const makeFolder = async (dir: string): Promise<void> => {
  const bytes = await picture()
  for (let c = 0; c < Math.min(classes, items); c++) {
    mkdirSync(join(dir, classOf(c)), { recursive: true })
    writeFileSync(join(dir, classOf(c), `${classOf(c)}_0.jpg`), bytes)
  }
  for (let i = classes; i < items; i++)
    linkSync(join(dir, classOf(i), `${classOf(i)}_0.jpg`), join(dir, classOf(i), `${classOf(i)}_${Math.floor(i / classes)}.jpg`))
}

const makeTable = async (dir: string): Promise<void> => {
  const out = createWriteStream(join(dir, '..', 'table.csv'))
  out.write('path,label,patient\n')
  for (let from = 0; from < items; from += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, items - from) }, (_, k) => from + k).map(
      (i) => `folder/${classOf(i)}/${classOf(i)}_${Math.floor(i / classes)}.jpg,${i % classes},p${Math.floor(i / 7)}\n`,
    )
    if (!out.write(lines.join(''))) await new Promise<void>((r) => out.once('drain', r))
  }
  await new Promise<void>((r) => out.end(r))
}

const makeTar = async (dir: string): Promise<void> => {
  mkdirSync(dir, { recursive: true })
  const bytes = await picture()
  const each = 10_000
  for (let shard = 0; shard * each < items; shard++) {
    const fd = openSync(join(dir, `train-${String(shard).padStart(6, '0')}.tar`), 'w')
    for (let i = shard * each; i < Math.min(items, (shard + 1) * each); i++)
      writeSync(
        fd,
        Buffer.concat([
          tarMember(`${String(i).padStart(8, '0')}.jpg`, bytes),
          tarMember(`${String(i).padStart(8, '0')}.cls`, Buffer.from(String(i % classes))),
        ]),
      )
    writeSync(fd, Buffer.alloc(1024))
    closeSync(fd)
  }
}

const makeParquet = async (dir: string): Promise<void> => {
  mkdirSync(dir, { recursive: true })
  const bytes = await picture()
  const each = 10_000
  const shards = Math.ceil(items / each)
  for (let shard = 0; shard < shards; shard++) {
    const numbers = Array.from({ length: Math.min(each, items - shard * each) }, (_, k) => shard * each + k)
    const columns = [
      { name: 'image', bytes: numbers.map(() => bytes) },
      { name: 'label', whole: numbers.map((i) => i % classes) },
    ]
    writeFileSync(join(dir, `train-${String(shard).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.parquet`), parquetFile(columns))
  }
}

const list = async (kind: string, path: string): Promise<void> => {
  const started = performance.now()
  let said = 0
  const opened = await openData(path, {
    listed: (n) => process.stderr.write(`${kind}: ${n} files\n`),
    progress: (done, total) => {
      if (Math.floor((10 * done) / total) > said) process.stderr.write(`${kind}: ${done} of ${total}\n`)
      said = Math.max(said, Math.floor((10 * done) / total))
    },
  })()
  if (E.isLeft(opened)) throw new Error(showFault(opened.left))
  const seconds = (performance.now() - started) / 1000
  const n = [...opened.right.splits.values()].reduce((sum, d) => sum + d.length, 0)
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  process.stdout.write(
    `${JSON.stringify({ kind, items: n, seconds: Number(seconds.toFixed(1)), cpu: Number(((userCPUTime + systemCPUTime) / 1e6).toFixed(1)), mb: Math.round(maxRSS / 1024) })}\n`,
  )
}

const paths: Readonly<Record<string, string>> = {
  folder: join(root, 'folder'),
  table: join(root, 'table.csv'),
  tar: join(root, 'tar'),
  parquet: join(root, 'parquet'),
}

if (values.list !== undefined) await list(values.list, paths[values.list])
else {
  const kinds = values.kind === undefined ? ['folder', 'table', 'tar', 'parquet'] : [values.kind]
  for (const kind of kinds) {
    if ((kind === 'folder' || kind === 'table') && !existsSync(paths.folder)) await makeFolder(paths.folder)
    if (kind === 'table' && !existsSync(paths.table)) await makeTable(paths.folder)
    if (kind === 'tar' && !existsSync(paths.tar)) await makeTar(paths.tar)
    if (kind === 'parquet' && !existsSync(paths.parquet)) await makeParquet(paths.parquet)
    execFileSync(
      process.execPath,
      ['--import', 'tsx', fileURLToPath(import.meta.url), '--list', kind, '--at', root, '--items', String(items)],
      { stdio: 'inherit' },
    )
  }
}
