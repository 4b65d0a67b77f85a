/**
 * `npx tsx spec/interop/commands.ts`: the commands of dinograph, one after the other in one process. A line of standard input is a list of
 * words as JSON (`["features", "--model", …]`); for each, a line of standard output is `{"code": …, "out": …, "told": …}`: its exit code,
 * and what it wrote to standard output and to standard error. For scripts that run hundreds of commands, each of which would take a second
 * to start.
 */
import { createInterface } from 'node:readline'
import * as t from 'io-ts'
import { unexpected } from '../../core/fault.ts'
import { commands } from '../../train/cli/commands.ts'
import { tellFault } from '../../train/cli/unexpected.ts'

const words = t.readonlyArray(t.string)

const answer = process.stdout.write.bind(process.stdout)
const said = { out: '', told: '' }

process.stdout.write = (text: string | Uint8Array): boolean => {
  said.out += typeof text === 'string' ? text : Buffer.from(text).toString()
  return true
}
process.stderr.write = (text: string | Uint8Array): boolean => {
  said.told += typeof text === 'string' ? text : Buffer.from(text).toString()
  return true
}

const coded = async (name: string, rest: ReadonlyArray<string>): Promise<number> => {
  try {
    return Object.hasOwn(commands, name) ? await (await commands[name].load()).main(rest) : 2
  } catch (e) {
    return tellFault(unexpected(e))
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const parsed: unknown = JSON.parse(line)
  const [name = '', ...rest] = words.is(parsed) ? parsed : []
  said.out = ''
  said.told = ''
  const code = await coded(name, rest)
  answer(`${JSON.stringify({ code, ...said })}\n`)
}
