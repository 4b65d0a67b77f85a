#!/usr/bin/env node
/** `npm run dinograph -- COMMAND …`: one entry for every command. */
import * as E from 'fp-ts/lib/Either.js'
import { faultsOf } from '../../core/fault.ts'
import { exitCodes } from './arguments.ts'
import { nearest } from '../config/spelling.ts'
import { ownVersion } from '../run/package.ts'
import { commands } from './commands.ts'
import { isSilent } from './ranks.ts'
import { print } from './terminal.ts'
import { guardedProgram, tellFault } from './unexpected.ts'

const names = Object.keys(commands)

/** Names stand in one column, and what they are for behind it. */
const width = Math.max(...names.map((name) => name.length)) + 2

const help = [
  'usage: dinograph COMMAND [options]',
  '',
  ...names.map((name) => `  ${name.padEnd(width)}${commands[name].about}`),
  '',
  'dinograph COMMAND --help says what a command can do; dinograph --version (-V) which version this is.',
  exitCodes(true),
].join('\n')

const run = async ([name, ...rest]: ReadonlyArray<string>): Promise<number> => {
  if (name === '--help' || name === '-h') {
    print(help)
    return 0
  }
  if (name === '--version' || name === '-V') {
    const version = await ownVersion()
    if (E.isLeft(version)) return tellFault(version.left)
    print(version.right)
    return 0
  }
  if (name === undefined || !Object.hasOwn(commands, name)) {
    const near = name === undefined ? undefined : nearest(name, names)
    const wrong = faultsOf('usage')(
      'COMMAND',
      name ?? 'nothing',
      names.join(', '),
      near === undefined ? 'see dinograph --help' : `did you mean ${near}?`,
    )
    return tellFault(wrong)
  }
  const { load, shared, ends } = commands[name]
  if (shared !== true && isSilent()) return 0
  const { main } = await load()
  const code = await main(rest)
  if (ends === true) process.exit(code)
  return code
}

process.exitCode = await guardedProgram(() => run(process.argv.slice(2)))
