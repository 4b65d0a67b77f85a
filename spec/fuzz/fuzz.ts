/** The command that damages files of all kinds and reads them, for as long as it is asked to. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { inputOf } from './child.ts'
import { kinds } from './kinds.ts'
import { openPen } from './pen.ts'

const folder = 'spec/fuzz/corpus'

const help = `Reads damaged files of every kind in processes of their own, within 10 s of processor and 1 GiB of memory each.

usage: npm run fuzz -- --minutes N [--kind K,...] [--seed S] [--inputs N]

  --minutes N   how long, on a clock
  --kind K      only these kinds (${kinds.map((k) => k.name).join(', ')})
  --seed S      the first seed; each round takes the next (default: a random one)
  --inputs N    inputs of each kind in a round (default 250)
  --help        show this text

What is wrong is written into ${folder}, which npm test reads again.
Exit code: 0 if nothing is wrong, 1 if something is, 2 for wrong use.`

const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: 'string' },
      kind: { type: 'string' },
      seed: { type: 'string' },
      inputs: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const minutes = Number(values.minutes)
  const asked = values.kind?.split(',') ?? kinds.map((k) => k.name)
  const unknown = asked.find((k) => !kinds.some((own) => own.name === k))
  if (!(minutes > 0) || unknown !== undefined) {
    process.stderr.write(`${unknown === undefined ? '--minutes N' : `no kind ${unknown}`}\n\n${help}\n`)
    return 2
  }
  const [first, count] = [Number(values.seed ?? randomInt(2 ** 30)), Number(values.inputs ?? 250)]
  const end = Date.now() + minutes * 60_000
  const figures = new Map(asked.map((k) => [k, { inputs: 0, read: 0, refused: 0, wrong: 0 }]))
  const pen = openPen()
  for (let seed = first; Date.now() < end; seed++) {
    for (const kind of kinds.filter((k) => asked.includes(k.name))) {
      if (Date.now() >= end) break
      const own = figures.get(kind.name)
      if (own === undefined) continue
      for (let from = 0; from < count;) {
        const o = await pen.ask({ _tag: 'Inputs', kind: kind.name, seed, from, count: count - from })
        own.read += o.read
        own.refused += o.refused
        own.wrong += o.wrong.length
        own.inputs += o.lost === undefined ? count - from : o.lost + 1 - from
        for (const w of o.wrong) {
          const path = join(folder, `${kind.name}-${seed}-${w.input}-${kind.file}`)
          mkdirSync(folder, { recursive: true })
          writeFileSync(path, await inputOf(kind, seed, w.input, await kind.seeds()))
          process.stdout.write(`${kind.name}, seed ${seed}, input ${w.input} (${path}): ${w.found}\n`)
        }
        if (o.lost !== undefined && o.lost < 0) return 1
        from = o.lost === undefined ? count : o.lost + 1
      }
    }
  }
  pen.close()
  for (const [name, f] of figures)
    process.stdout.write(`${name.padEnd(12)} ${f.inputs} inputs: ${f.read} read, ${f.refused} refused, ${f.wrong} wrong\n`)
  const sum = (k: 'inputs' | 'wrong'): number => [...figures.values()].reduce((n, f) => n + f[k], 0)
  process.stdout.write(`${sum('inputs')} inputs from seed ${first}: ${sum('wrong')} crashes, hangs and wrong values\n`)
  return sum('wrong') === 0 ? 0 : 1
}

process.exit(await main(process.argv.slice(2)))
