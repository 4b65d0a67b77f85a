/** The command that compares every case of a folder with what this house computes. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Fault } from '../../core/fault.ts'
import { exitCode, fault, messageOf, showFault } from '../../core/fault.ts'
import type { Verdict } from './compare.ts'
import { runCase, showVerdict, toleranceFactor } from './run.ts'

const help = `Compares each case folder (case.json, tensors.safetensors) of DIR with what is computed here.

usage: npm run conformance -- DIR [--only NAME,...] [--target T] [--json]

  DIR            a folder of case folders, or one case folder
  --only NAMES   only the cases of these names, separated by commas; may be repeated
  --target T     reference (default), native, gpujs:webgpu, gpujs:headlessgl, gpujs:webasm, gpujs:cpu, pjrt:cpu, …, auto
  --json         make the last line of stdout one JSON object
  --help         show this text

Prints PASS|FAIL|UNSUPPORTED name  worst-ratio tensor  for each case, where worst-ratio is the largest |got - expected| / atol.
Exit code: 0 if every case passes, 1 if not, 2 for wrong use.`

interface Options {
  readonly folder: string
  readonly cases: ReadonlyArray<string>
  readonly target: string
  readonly json: boolean
}

const usage = (found: string, allowed: string, remedy = 'see npm run conformance -- --help'): Fault =>
  fault('usage', { place: 'the command line', found, allowed, remedy })

const words = (
  argv: ReadonlyArray<string>,
): Either<
  Fault,
  {
    readonly positionals: ReadonlyArray<string>
    readonly only: ReadonlyArray<string>
    readonly target: string
    readonly json: boolean
    readonly help: boolean
  }
> =>
  E.tryCatch(
    () => {
      const { values, positionals } = parseArgs({
        args: [...argv],
        allowPositionals: true,
        options: {
          only: { type: 'string', multiple: true },
          target: { type: 'string' },
          json: { type: 'boolean' },
          help: { type: 'boolean' },
        },
      })
      const only = (values.only ?? []).flatMap((x) => x.split(',')).filter((x) => x !== '')
      return { positionals, only, target: values.target ?? 'reference', json: values.json === true, help: values.help === true }
    },
    (e) => usage(messageOf(e), 'DIR, --only, --target, --json, --help'),
  )

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory()

const isCase = (path: string): boolean => existsSync(join(path, 'case.json'))

const casesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder)
    .filter((name) => isCase(join(folder, name)))
    .sort()

const optionsOf = (argv: ReadonlyArray<string>): Either<Fault, Options | 'help'> => {
  const parsed = words(argv)
  if (E.isLeft(parsed)) return parsed
  const { positionals, only, target, json } = parsed.right
  if (parsed.right.help) return E.right('help')
  const [folder, ...more] = positionals
  if (folder === undefined || more.length > 0) return E.left(usage(`${positionals.length} folders`, 'one folder DIR'))
  if (!isFolder(folder)) return E.left(usage(`${folder}, which is no folder`, 'a folder of case folders'))
  const all = isCase(folder) ? [''] : casesIn(folder)
  const named = (name: string): string => (name === '' ? basename(folder) : name)
  const missing = only.find((name) => !all.some((c) => named(c) === name))
  if (missing !== undefined)
    return E.left(usage(`--only ${missing}`, all.map(named).join(', ') || 'no case is there', 'name cases of the folder'))
  const cases = all.filter((c) => only.length === 0 || only.includes(named(c)))
  return cases.length === 0
    ? E.left(usage(`no case folder in ${folder}`, 'folders with a case.json'))
    : E.right({ folder, cases, target, json })
}

const progress = (i: number, n: number, name: string): void => {
  process.stderr.write(
    process.stderr.isTTY ? `\r\u001b[K${name === '' ? '' : `[${i + 1}/${n}] ${name}`}` : name === '' ? '' : `[${i + 1}/${n}] ${name}\n`,
  )
}

const report = (o: Options, device: string, factor: number, verdicts: ReadonlyArray<Verdict>): void => {
  const count = (s: Verdict['status']): number => verdicts.filter((v) => v.status === s).length
  if (!o.json) return
  const cases = verdicts.map((v) => ({ ...v, ratio: v.ratio === undefined || !Number.isFinite(v.ratio) ? null : v.ratio }))
  process.stdout.write(
    `${JSON.stringify({ target: o.target, device, factor, pass: count('PASS'), fail: count('FAIL'), unsupported: count('UNSUPPORTED'), cases })}\n`,
  )
}

const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const options = optionsOf(argv)
  if (E.isLeft(options)) {
    process.stderr.write(`${showFault(options.left)}\n`)
    return exitCode(options.left)
  }
  const o = options.right
  if (o === 'help') {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const probe = await openTarget(o.target)()
  if (E.isLeft(probe)) {
    process.stderr.write(`${showFault(probe.left)}\n`)
    return exitCode(probe.left)
  }
  const { description } = probe.right
  const factor = toleranceFactor(probe.right.name)
  probe.right.close()
  process.stderr.write(`on ${description}\n`)
  if (factor !== 1) process.stdout.write(`every atol is scaled by ${factor} on ${o.target}\n`)
  const verdicts: Verdict[] = []
  for (const [i, name] of o.cases.entries()) {
    const shown = name === '' ? basename(o.folder) : name
    progress(i, o.cases.length, shown)
    const v = await runCase(openTarget(o.target), join(o.folder, name), shown)()
    progress(i, o.cases.length, '')
    if (E.isRight(v)) {
      verdicts.push(v.right)
      process.stdout.write(`${showVerdict(v.right)}\n`)
    }
  }
  report(o, description, factor, verdicts)
  return verdicts.every((v) => v.status === 'PASS') ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
