import type { Rule } from 'eslint'

export const circle: Rule.RuleModule
