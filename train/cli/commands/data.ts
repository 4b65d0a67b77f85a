/** `npm run data -- inspect|dump --data PATH`: what a reader finds in a file or folder, and the images as it sees them. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, faultsOf } from '../../../core/fault.ts'
import { dumpItems } from '../../../data/loading/dump.ts'
import { oddValues } from '../../../data/loading/odd-values.ts'
import { recounted, showOpened, showSummary, summarize } from '../../../data/loading/summary.ts'
import { datasetOf } from '../../../data/readers/split.ts'
import { openData } from '../../../data/readers/index.ts'
import type { OpenedData, Opener } from '../../../data/readers/opener.ts'
import type { OpenOptions } from '../../../data/readers/reader.ts'
import type { SplitName } from '../../../data/readers/dataset.ts'
import type { Progress } from '../../../data/readers/result.ts'
import { writeSafetensors } from '../../../data/formats/safetensors.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { parseArguments } from '../parsing.ts'
import { programOpener } from '../program-run.ts'
import { readingFrom, readingSettings } from '../reading.ts'
import { print, tell } from '../terminal.ts'
import { textOption } from './program.ts'
import { tellFault } from '../unexpected.ts'

/** Images of a part that `inspect` reads where nothing says how many: of a million it would read for hours. */
const usual = 10_000

const spec: CommandSpec = {
  call: commandLine('data'),
  about: 'Reads pictures, DICOM, NIfTI, .npz and manifests: says what is there, or writes the images as they are read.',
  operands: [{ name: 'ACTION', text: 'what to do', choices: ['inspect', 'dump'] }],
  answers: ['set'],
  settings: readingSettings,
  options: [
    { name: 'data', value: 'DIR|FILE', text: 'the file or folder to read' },
    {
      name: 'program',
      also: 'plugin',
      value: 'FILE',
      text: 'a program or plugin with a reader of its own, which opens the data (a plugin: --set data.reader=NAME)',
    },
    { name: 'out', value: 'FILE', text: 'dump: the safetensors file to write' },
    { name: 'limit', value: 'N|all', text: `look at the first N images only; inspect: by default at ${usual} of each part, evenly spread` },
    { name: 'split', value: 'NAME', choices: ['train', 'val', 'test'], text: 'this part only' },
    { name: 'axis', value: 'A', choices: ['0', '1', '2'], text: 'take slices of volumes along this axis' },
    { name: 'strict', text: 'inspect: exit with 1 if anything cannot be read, for scripts; else only if nothing can' },
    { name: 'on-error', value: 'WHAT', choices: ['stop', 'skip'], text: 'what to do about files that cannot be read; stop by default' },
  ],
}

/** The command's options, decoded. */
interface Request {
  readonly path: string
  readonly reading: OpenOptions
  readonly opens: Opener
  readonly limit: number
  /** Nothing was said of how many. */
  readonly unlimited: boolean
  readonly split: SplitName | undefined
  readonly axis: 0 | 1 | 2 | undefined
  readonly skip: boolean
}

const usage = faultsOf('usage')

const requestOf = (a: Arguments, { reading, opens }: Pick<Request, 'reading' | 'opens'>): Either<Fault, Request> => {
  const path = O.toUndefined(a.data)
  if (path === undefined) return E.left(usage('--data', 'nothing', '--data DIR|FILE', 'name the file or folder to read'))
  const limit = a.extra.get('limit')
  const n = limit === undefined || limit === 'all' ? Infinity : /^\d{1,15}$/.test(String(limit)) ? Number(limit) : 0
  if (n < 1) return E.left(usage('--limit', String(limit), 'a whole number of at least 1, or all', 'write --limit 100, for example'))
  const [split, axis] = [a.extra.get('split'), a.extra.get('axis')]
  return E.right({
    path,
    reading,
    opens,
    limit: n,
    unlimited: limit === undefined,
    split: split === 'train' || split === 'val' || split === 'test' ? split : undefined,
    axis: axis === '0' ? 0 : axis === '1' ? 1 : axis === '2' ? 2 : undefined,
    skip: a.extra.get('on-error') === 'skip',
  })
}

/** One live line on a terminal; when piped, one line at every tenth. */
const progressTo = (stream: NodeJS.WriteStream, what: string): Progress => {
  let last = -1
  return (done, total) => {
    if (stream.isTTY) stream.write(`\r${what} ${done} of ${total}${done >= total ? '\n' : ''}`)
    else if (total > 50 && Math.floor((10 * done) / total) !== last) {
      last = Math.floor((10 * done) / total)
      stream.write(`${what} ${done} of ${total}\n`)
    }
  }
}

const open = (r: Request, onError: 'stop' | 'skip'): TaskEither<Fault, OpenedData> => {
  const o: OpenOptions = {
    ...r.reading,
    channels: 'stored',
    values: 'stored',
    onError,
    progress: progressTo(process.stderr, 'opened'),
    listed: (n) => process.stderr.write(`${n} files so far\n`),
    ...(r.axis === undefined ? {} : { axis: r.axis }),
  }
  return pipe(
    r.opens(r.path, o),
    TE.chainEitherK((opened): Either<Fault, OpenedData> =>
      r.split === undefined
        ? E.right(opened)
        : pipe(
            datasetOf(opened, r.split),
            E.map((d) => ({ ...opened, splits: new Map([[r.split ?? 'all', d] as const]) })),
          ),
    ),
  )
}

interface Brief {
  readonly file: string
  readonly reason: string
  readonly allowed: string
  readonly remedy: string
}

const brief = (f: Fault): Brief => ({ file: f.place, reason: f.found, allowed: f.allowed, remedy: f.remedy })

/** Files that cannot be read with their reasons, and below those that ask for the same what is allowed, and the remedy. */
const unreadableLines = (faults: ReadonlyArray<Fault>): ReadonlyArray<string> => {
  const groups = new Map<string, Fault[]>()
  for (const f of faults) {
    const asked = `  allowed: ${f.allowed}\n  remedy:  ${f.remedy}`
    groups.set(asked, [...(groups.get(asked) ?? []), f])
  }
  return [...groups].flatMap(([asked, own]) => [...own.map((f) => `  ${f.place}: ${f.found}`), asked])
}

const tellFaults = (faults: ReadonlyArray<Fault>): void => {
  for (const f of faults) tell(`cannot read ${f.place}: ${f.found}`)
}

/** What a command says, and whether what it checked failed. */
interface Output {
  readonly text: string
  readonly failed: boolean
}

const inspect = (r: Request, json: boolean, strict: boolean): TaskEither<Fault, Output> =>
  pipe(
    open(r, 'skip'),
    TE.chain((opened) => async () => {
      const splits: Record<string, unknown> = {}
      const texts: string[] = []
      const unreadable: Fault[] = [...opened.skipped]
      let [read, unread] = [0, 0]
      const notes: string[] = []
      for (const [name, d] of opened.splits) {
        // a check for scripts looks at everything
        const some = r.unlimited && !strict && d.length > usual
        const s = await summarize(d, some ? usual : r.limit, progressTo(process.stderr, `${name}: read`), some ? 'spread' : 'first')
        if (some) notes.push(`${name}: ${usual} of ${d.length} images, evenly spread, were looked at (--limit all looks at every one)`)
        unreadable.push(...s.unreadable)
        read += s.read
        unread += s.unreadFiles
        const { unreadable: own, ...facts } = s
        splits[name] = { ...facts, values: s.values ?? null, units: s.units ?? null, modality: s.modality ?? null, unreadable: own.length }
        texts.push(showSummary(name, s))
        notes.push(...oddValues(s).map((n) => (opened.splits.size === 1 ? n : `${name}: ${n}`)))
      }
      const counted = recounted(opened, unread)
      const { files } = counted
      texts.unshift(`${r.path}: ${opened.kind}`, ...showOpened(counted))
      texts.push(...notes.map((n) => `note: ${n}`))
      if (unreadable.length > 0) texts.push(`${unreadable.length} could not be read:`, ...unreadableLines(unreadable))
      const counts = Object.fromEntries([...opened.splits].map(([name, d]) => [name, d.length]))
      if (json)
        texts.push(
          JSON.stringify({
            kind: opened.kind,
            counts,
            splits,
            unreadable: unreadable.map(brief),
            notes: [...opened.notes, ...notes],
            ...(files === undefined
              ? {}
              : {
                  files: {
                    found: files.found,
                    read: files.read,
                    left: files.left.map((l) => ({ what: l.what, count: l.paths.length })),
                    faults: files.faults,
                  },
                }),
          }),
        )
      return E.right({ text: texts.join('\n'), failed: read === 0 || (strict && unreadable.length > 0) })
    }),
  )

const dump = (r: Request, out: string, json: boolean): TaskEither<Fault, string> =>
  pipe(
    open(r, r.skip ? 'skip' : 'stop'),
    TE.chain((opened) => async () => {
      const { file, count, unreadable } = await dumpItems([...opened.splits], r.limit, progressTo(process.stderr, 'read'))
      const faults = [...opened.skipped, ...unreadable]
      tellFaults(faults)
      for (const line of showOpened(opened)) tell(line)
      if (faults.length > 0 && !r.skip)
        return E.left({ ...faults[0], remedy: `${faults[0].remedy}; ${faults.length} could not be read and nothing was written` })
      if (count === 0)
        return E.left(
          fault('data', { place: r.path, found: 'no image that can be read', allowed: 'at least one', remedy: 'see the reasons above' }),
        )
      const written = await writeSafetensors(out)(file)()
      if (E.isLeft(written)) return written
      const text = `${out}: ${count} images${faults.length > 0 ? `, ${faults.length} skipped` : ''}`
      return E.right(json ? `${text}\n${JSON.stringify({ out, written: count, skipped: faults.map(brief), notes: opened.notes })}` : text)
    }),
  )

/** What opens the data: the reader of a program's own where one is named and has one, else the readers, as the settings say. */
const openingOf = (a: Arguments): TaskEither<Fault, Pick<Request, 'reading' | 'opens'>> =>
  pipe(
    O.fromNullable(textOption(a, 'program')),
    O.match(
      () => TE.right(undefined),
      (file) => programOpener(a, file),
    ),
    TE.chain((opens) =>
      opens === undefined
        ? pipe(
            readingFrom(a),
            TE.map(({ open }) => ({ reading: open, opens: openData })),
          )
        : TE.right({ reading: {}, opens }),
    ),
  )

const act = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    openingOf(a),
    TE.chainEitherK((opening) => requestOf(a, opening)),
    TE.chain((r) => {
      if (a.operands[0] !== 'dump') return inspect(r, a.json, a.extra.has('strict'))
      return O.isNone(a.out)
        ? TE.left(usage('--out', 'nothing', '--out FILE.safetensors', 'name the file to write'))
        : pipe(
            dump(r, a.out.value, a.json),
            TE.map((text): Output => ({ text, failed: false })),
          )
    }),
  )

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const parsed = parseArguments(spec)(argv)
  const outcome = E.isLeft(parsed)
    ? parsed
    : parsed.right._tag === 'Help'
      ? E.right({ text: parsed.right.text, failed: false })
      : await act(parsed.right.arguments)()
  if (E.isLeft(outcome)) {
    return tellFault(outcome.left)
  }
  print(outcome.right.text)
  return outcome.right.failed ? 1 : 0
}
