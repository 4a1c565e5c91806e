// What the reviewer would otherwise have to look for: sizes (architecture §10), types, floating promises, unsafe
// markup, and which globals a layer may touch. Import rules are dependency-cruiser's.
import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import prettier from 'eslint-config-prettier';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import { functionLength, untrackedWork } from './scripts/lib/eslint-rules.mjs';

const lines = (max) => ['error', { max, skipBlankLines: false, skipComments: false }];
const functionLines = ['error', { max: 60, skipBlankLines: false, skipComments: false }];

const noEnv = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'process.env is read in src/server/platform/env.ts only.',
};
const noDefaultExport = { selector: 'ExportDefaultDeclaration', message: 'Name your exports.' };
const noBarrel = { selector: 'ExportAllDeclaration', message: 'No barrels: import from the file itself.' };
const noClock = [
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'Take an Rng instead.',
  },
  {
    selector: "MemberExpression[object.name='Date'][property.name='now']",
    message: 'src/crypto has no clock.',
  },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'src/crypto has no clock.' },
];
const noNodeGlobals = ['Buffer', 'process', 'global', 'require', '__dirname', '__filename'].map((name) => ({
  name,
  message: 'This code also runs where there is no Node.',
}));

export default defineConfig(
  globalIgnores([
    'dist/',
    'data/',
    'src/server/generated/',
    'test-results/',
    'playwright-report/',
    '.cache/',
    'coverage/',
  ]),
  js.configs.recommended,
  {
    files: ['**/*.{ts,svelte}'],
    extends: [ts.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './tsconfig.client.json'],
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.svelte'],
      },
    },
  },
  svelte.configs.recommended,
  prettier,
  svelte.configs.prettier,
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    // State classes keep plain maps beside what is reactive; what is shown is in $state.
    rules: { 'svelte/prefer-svelte-reactivity': 'off' },
  },
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { chatalot: { rules: { 'function-length': functionLength, 'untracked-work': untrackedWork } } },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'chatalot/function-length': functionLines,
      'chatalot/untracked-work': 'error',
      'max-params': ['error', 3],
      'max-lines': lines(300),
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-restricted-syntax': ['error', noEnv, noDefaultExport, noBarrel],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'] }],
    },
  },
  {
    files: ['**/*.{ts,svelte}'],
    rules: {
      // The compiler knows every name; this rule does not know types.
      'no-undef': 'off',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // Interfaces of ours are async where one implementation of several is.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['src/crypto/**'],
    rules: {
      'max-lines': lines(450),
      'no-restricted-syntax': ['error', noEnv, noDefaultExport, noBarrel, ...noClock],
    },
  },
  {
    files: ['src/crypto/index.ts'],
    rules: { 'no-restricted-syntax': ['error', noDefaultExport, ...noClock] },
  },
  {
    files: ['src/shared/**', 'src/crypto/**', 'src/client/**'],
    rules: { 'no-restricted-globals': ['error', ...noNodeGlobals] },
  },
  {
    files: ['src/server/platform/env.ts'],
    rules: { 'no-restricted-syntax': ['error', noDefaultExport, noBarrel] },
  },
  {
    files: ['**/*.svelte'],
    rules: {
      'max-lines': lines(200),
      'svelte/no-at-html-tags': 'error',
      'svelte/require-each-key': 'error',
      // A style attribute is refused by the content security policy; style: directives go through the CSSOM and are not.
      'svelte/no-inline-styles': 'off',
      'no-restricted-syntax': [
        'error',
        {
          selector: "SvelteAttribute[key.name='style']",
          message: 'Use a class or a style: directive (CSP).',
        },
      ],
      'svelte/button-has-type': 'error',
      // $bindable props are assigned, never reassigned by plain code.
      'prefer-const': 'off',
    },
  },
  {
    files: ['src/client/routes.ts'],
    rules: { '@typescript-eslint/only-throw-error': 'off', '@typescript-eslint/unbound-method': 'off' },
  },
  {
    files: ['test/**'],
    languageOptions: { globals: globals.node },
    rules: {
      'max-lines': lines(500),
      'no-console': 'off',
      'no-restricted-syntax': ['error', noDefaultExport],
      // A test may ask for what the types forbid, to see it refused.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['*.config.{js,ts}', '.dependency-cruiser.cjs', 'scripts/**', '*.cjs'],
    languageOptions: { globals: globals.node },
    rules: { 'no-console': 'off', 'no-restricted-syntax': 'off' },
  },
);
