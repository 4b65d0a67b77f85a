/** Kinds that break the limits of a pen on purpose: whether it holds them is tested by these. */
import * as E from 'fp-ts/lib/Either.js'
import type { Kind } from './kind.ts'

const trial = (name: string, read: () => void): Kind => ({
  name,
  file: 'x.bin',
  structure: 'bytes',
  seeds: () => Promise.resolve([Buffer.from('seed')]),
  read: () => {
    read()
    return Promise.resolve(E.right(undefined))
  },
})

const held: Array<Uint8Array> = []

export const trials: ReadonlyArray<Kind> = [
  trial('trial:loop', () => {
    for (;;) if (held.length < 0) return
  }),
  trial('trial:memory', () => {
    for (;;) held.push(new Uint8Array(2 ** 26).fill(1))
  }),
  trial('trial:exit', () => {
    process.exit(7)
  }),
  trial('trial:throw', () => {
    throw new Error('thrown on purpose')
  }),
]
