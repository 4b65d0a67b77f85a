/** The command that runs what takes too long for CI, and prints a table. */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { Row } from './tests.ts'
import { tests } from './tests.ts'

const names = Object.keys(tests)

const help = `Runs tests that take too long for CI, and prints how many of what they tried ended right.

usage: npm run long -- [NAME ...] [--count N] [--seed S] [-- ARGUMENTS OF npm run train]

${names.map((n) => `  ${n.padEnd(8)} ${tests[n].about} (${tests[n].count} times)`).join('\n')}

  NAME        only these (default: all)
  --count N   times that each is tried, spread over its rows
  --seed S    of the moments (default: a random one, which is printed)
  --help      show this text

Exit code: 0 if all is right, 1 if something is not, 2 for wrong use.`

const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const end = argv.indexOf('--')
  const { values, positionals } = parseArgs({
    args: end < 0 ? [...argv] : argv.slice(0, end),
    allowPositionals: true,
    options: { count: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help === true) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const unknown = positionals.find((name) => !names.includes(name))
  const count = values.count === undefined ? undefined : Number(values.count)
  if (unknown !== undefined || (count !== undefined && !(Number.isInteger(count) && count > 0))) {
    process.stderr.write(`${unknown === undefined ? '--count N, a whole number' : `no test ${unknown}`}\n\n${help}\n`)
    return 2
  }
  const seed = Number(values.seed ?? randomInt(2 ** 30))
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`)
  }
  say(`seed ${seed}`)
  const table: Array<Row & { readonly test: string }> = []
  for (const name of positionals.length === 0 ? names : positionals) {
    const rows = await tests[name].run({
      count: count ?? tests[name].count,
      seed,
      say,
      words: end < 0 ? undefined : argv.slice(end + 1),
    })
    table.push(...rows.map((r) => ({ test: name, ...r })))
  }
  const width = Math.max(4, ...table.map((r) => r.what.length))
  process.stdout.write(`${'test'.padEnd(8)} ${'what'.padEnd(width)} tried right\n`)
  for (const r of table)
    process.stdout.write(`${r.test.padEnd(8)} ${r.what.padEnd(width)} ${String(r.tried).padStart(5)} ${String(r.right).padStart(5)}\n`)
  return table.every((r) => r.tried === r.right) ? 0 : 1
}

process.exit(await main(process.argv.slice(2)))
