/** Settings as a text for people. */
import { showDefault } from './field.ts'
import type { SettingLine } from './settings.ts'

/** A heading says which kind the settings below it belong to, as it is chosen: `objective.kind=dinov1`. */
const named = ({ path, kind }: SettingLine): string => (kind === undefined ? path : `${path}.kind=${kind}`)

/** One line a setting: its path, what it means, its default, and what is allowed; sections, and their kinds, as headings. */
export const settingsText = (settings: ReadonlyArray<SettingLine>): string => {
  const width = Math.max(...settings.map((s) => named(s).length)) + 2
  return settings
    .map((line) => {
      const { facts, parts } = line.field
      const path = named(line)
      const isSection = line.kind !== undefined || Object.keys(parts).length > 0
      const range = facts.allowed.replace(/^a (whole )?number( of|,)? ?/, '').replace(/^two ascending numbers /, '')
      return isSection
        ? `  ${path.padEnd(width)}${facts.about}${facts.initial === null ? ' [null: none]' : ''}`
        : `  ${path.padEnd(width)}${facts.about} [${showDefault(facts.initial)}]${range === '' || /^(a text|true or false)$/.test(range) ? '' : `  ${range}`}`
    })
    .join('\n')
}
