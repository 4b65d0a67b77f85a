/** `dinograph repl`: evaluates programs of the language line by line, as they are typed or as stdin has them. */
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Recoverable, start } from 'node:repl'
import type { REPLServer } from 'node:repl'
import { inspect } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { commandLine } from '../../../core/command.ts'
import { isExpr } from '../../../core/model.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, isFault, messageOf } from '../../../core/fault.ts'
import { isRecord } from '../../../data/formats/codec.ts'
import { nearest } from '../../config/spelling.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { listsOf } from '../calling.ts'
import { parseArguments } from '../parsing.ts'
import type { Session } from '../session.ts'
import { openSession, sessionHelp } from '../session.ts'
import { print, tell } from '../terminal.ts'
import { tellFault } from '../unexpected.ts'

const spec: CommandSpec = {
  call: commandLine('repl'),
  about: `Evaluates JavaScript line by line, with the language at hand; without a terminal, the program that stdin holds, up to its first fault.\n\n${sessionHelp}`,
  answers: ['target', 'seed'],
}

/** The names of a room's face, which programs import. */
const face = async (room: string): Promise<Readonly<Record<string, unknown>>> => {
  const names: unknown = await import(new URL(`../../../${room}/index.js`, import.meta.url).href)
  return isRecord(names) ? names : {}
}

/** Calls a function of which nothing is known, and what that gives. */
const called = (f: unknown, ...words: ReadonlyArray<unknown>): unknown =>
  typeof f === 'function' ? Reflect.apply(f, undefined, [...words]) : undefined

/** An op whose settings all have defaults, as `softmax()(x)` in programs, is also called with its tensor alone: `softmax(x)`. */
const direct = (op: unknown): unknown =>
  typeof op === 'function' && op.length === 0
    ? (...words: ReadonlyArray<unknown>): unknown =>
        words.length === 1 && isExpr(words[0]) ? called(called(op), words[0]) : called(op, ...words)
    : op

/** What programs find by name, and what functions among it are called as. */
interface Scope {
  readonly names: Readonly<Record<string, unknown>>
  readonly calls: ReadonlyMap<unknown, string>
}

const isFunction = (u: unknown): u is (...words: never) => unknown => typeof u === 'function'

/** How a function of a room is called by its name. */
const callOf = (name: string, f: unknown): string => (isFunction(f) ? listsOf(f) : []).reduce((call, list) => `${call}${list}`, name)

/** The same for an op, which can also be called with its tensor alone where all of its settings have defaults. */
const callOfOp = (name: string, op: unknown): string => {
  if (!isFunction(op) || op.length > 0) return callOf(name, op)
  const [settings = '()', ...more] = listsOf(op)
  const inner = called(op)
  const tensors = more.length > 0 || !isFunction(inner) ? more : listsOf(inner)
  return `${name}${settings}${tensors.join('')}, or ${name}${tensors.join('')}`
}

const scopeOf = async (session: Session): Promise<Scope> => {
  const [ops, core, models, losses, compiler] = await Promise.all(['ops', 'core', 'models', 'losses', 'compiler'].map(face))
  const named = Object.entries(ops).map(([name, op]) => ({ name, op, call: callOfOp(name, op), alone: direct(op) }))
  const helpers = Object.entries(session.scope)
  const rooms = [core, models, losses, compiler].flatMap((room) => Object.entries(room))
  return {
    names: {
      ...Object.fromEntries(named.map(({ name, alone }) => [name, alone])),
      ops,
      core,
      models,
      losses,
      compiler,
      ...session.scope,
    },
    calls: new Map([
      ...[...rooms, ...helpers].filter(([, f]) => isFunction(f)).map(([name, f]) => [f, callOf(name, f)] as const),
      ...named.flatMap(({ op, alone, call }) => (isFunction(op) ? [[op, call] as const, [alone, call] as const] : [])),
    ]),
  }
}

/** What a line came to: a value, a fault, or that it goes on. */
type Outcome = { readonly value: unknown } | { readonly fault: Fault } | 'unfinished'

/** Why a line came to nothing, as every fault of this program reads. */
const explained = (e: unknown, names: ReadonlyArray<string>, place: string): Fault => {
  if (isFault(e)) return e
  const found = messageOf(e).split('\n')[0]
  const unknown = /^(\w+) is not defined$/.exec(found)?.[1]
  const near = unknown === undefined ? undefined : nearest(unknown, names)
  return fault('usage', {
    place,
    found,
    allowed: unknown === undefined ? 'a program that throws no error' : 'names of dinograph/ops, and those that help() lists',
    remedy: near === undefined ? 'correct the line; help() says what there is' : `did you mean ${near}?`,
  })
}

const isEmitter = (u: unknown): u is EventEmitter => u instanceof EventEmitter

/** Where a server says what a line has thrown at once, in place of telling its caller. */
const errorsOf = (server: REPLServer): EventEmitter => {
  const domain: unknown = Reflect.get(server, '_domain')
  return isEmitter(domain) ? domain : server
}

/** Evaluates what is typed in one scope, which stays from line to line. */
const evaluator = (server: REPLServer, session: Session, names: ReadonlyArray<string>) => {
  const errors = errorsOf(server)
  const raw = (code: string, place: string): Promise<{ readonly e: unknown; readonly value: unknown }> =>
    new Promise((done) => {
      const thrown = (e: unknown): void => {
        done({ e, value: undefined })
      }
      errors.once('error', thrown)
      server.eval(code, server.context, place, (e: unknown, value: unknown) => {
        errors.off('error', thrown)
        done({ e, value })
      })
    })
  return async (code: string, place: string): Promise<Outcome> => {
    const { e, value } = await raw(code, place)
    if (e instanceof Recoverable) return 'unfinished'
    if (e !== null && e !== undefined) return { fault: explained(e, names, place) }
    try {
      const settled: unknown = await value
      return { value: (await session.shown(settled)) ? undefined : settled }
    } catch (thrown) {
      return { fault: explained(thrown, names, place) }
    }
  }
}

type Evaluate = ReturnType<typeof evaluator>

/** A value as it is shown: of a function, how it is called. */
const showing =
  (calls: Scope['calls']) =>
  (u: unknown): string => {
    if (typeof u === 'string') return u
    if (!isFunction(u)) return inspect(u)
    const lists = listsOf(u).join('')
    const call = calls.get(u) ?? `${/^[\w$]+$/.test(u.name) ? u.name : 'f'}${lists}`
    return lists === '' ? inspect(u) : `a function, called as ${call}`
  }

type Show = ReturnType<typeof showing>

/** A whole program, statement by statement, up to its first fault; gives the exit code. */
const script = async (program: string, evaluate: Evaluate, shown: Show): Promise<number> => {
  const lines = program.split('\n')
  let begun: { readonly from: number; readonly code: string } | undefined
  for (const [i, line] of lines.entries()) {
    const { from, code } = begun === undefined ? { from: i, code: `${line}\n` } : { from: begun.from, code: `${begun.code}${line}\n` }
    // empty lines before it, so that faults name the line of the whole program
    const outcome = code.trim() === '' ? { value: undefined } : await evaluate('\n'.repeat(from) + code, 'stdin')
    if (outcome === 'unfinished') {
      begun = { from, code }
      continue
    }
    begun = undefined
    if ('fault' in outcome) {
      const { fault: f } = outcome
      return tellFault(f.place === 'stdin' ? { ...f, place: `stdin:${from + 1}` } : f)
    }
    if (outcome.value !== undefined) print(shown(outcome.value))
  }
  if (begun === undefined) return 0
  return tellFault(
    fault('usage', {
      place: `stdin:${begun.from + 1}`,
      found: 'a statement without an end',
      allowed: 'whole statements',
      remedy: 'close its brackets',
    }),
  )
}

/** Lines as they are typed, until the session is left. */
const typed = (evaluate: Evaluate, shown: Show): Promise<number> => {
  print('Dinograph: help() says what there is, .exit leaves')
  const server = start({
    prompt: '> ',
    ignoreUndefined: true,
    writer: shown,
    eval: (code, _context, place, done) => {
      void evaluate(code, place).then((outcome) => {
        if (outcome === 'unfinished') {
          done(new Recoverable(new SyntaxError('unfinished')), undefined)
          return
        }
        if ('fault' in outcome) tellFault(outcome.fault)
        done(null, 'fault' in outcome ? undefined : outcome.value)
      })
    },
  })
  return new Promise((left) => {
    server.on('exit', () => {
      left(0)
    })
  })
}

const run = async (a: Arguments): Promise<number> => {
  const session = openSession({
    seed: O.getOrElse(() => 0)(a.seed),
    target: O.getOrElse((): string => 'reference')(a.target),
    print,
    say: tell,
  })
  const { names, calls } = await scopeOf(session)
  // what evaluates, without a terminal of its own; programs share the objects of this one, so that lists are lists in both
  const server = start({ input: new PassThrough(), output: new PassThrough(), terminal: false, useGlobal: true })
  Object.assign(server.context, names)
  const evaluate = evaluator(server, session, Object.keys(names))
  const shown = showing(calls)
  const code = process.stdin.isTTY ? await typed(evaluate, shown) : await script(await text(process.stdin), evaluate, shown)
  server.close()
  session.close()
  return code
}

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const parsed = parseArguments(spec)(argv)
  if (E.isLeft(parsed)) return tellFault(parsed.left)
  if (parsed.right._tag === 'Run') return run(parsed.right.arguments)
  print(parsed.right.text)
  return 0
}
