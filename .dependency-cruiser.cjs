// Who may import whom: the table of ARCHITECTURE.md, as rules. A folder's rule lists what it may reach; anything else
// inside src is refused. Packages are restricted where a layer must stay portable.
const SERVER = '^src/server/';
const CLIENT = '^src/client/';
const PRISMA = '^(src/server/generated/|node_modules/(@prisma|prisma)/)';

/** Everything under `from` may reach only `to` inside src. */
const only = (name, from, to) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: to },
});

/** Files of `from` may use only these packages, and none of Node's own modules. */
const packages = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: {
    dependencyTypes: ['npm', 'npm-dev', 'npm-no-pkg', 'npm-peer', 'npm-optional', 'core'],
    pathNot: allowed.map((name) => `^(node_modules/)?${name}`),
  },
});

/** Left to right: a domain may call services of domains before it, never after it (architecture §3). */
const DOMAINS = [
  'sessions',
  'audience',
  'users',
  'devices',
  'links',
  'backup',
  'roles',
  'channels',
  'communities',
  'invites',
  'auth',
  'mailbox',
  'messages',
  'files',
  'moderation',
  'voice',
  'notifications',
  'webhooks',
  'instance',
  'live',
];
const leftToRight = DOMAINS.slice(0, -1).map((domain, index) => ({
  name: `domain-order-${domain}`,
  severity: 'error',
  comment: `${domain} may not call a domain to its right`,
  from: { path: `${SERVER}domains/${domain}/` },
  to: { path: `${SERVER}domains/(${DOMAINS.slice(index + 1).join('|')})/` },
}));

/** Wiring every domain may use: src/server/*.ts except the three files that put everything together. */
const CORE = `${SERVER}(?!(main|app|router)\\.ts$)[^/]+\\.ts$`;

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: { path: '^(src|test)/' }, to: { circular: true } },
    {
      name: 'no-unresolved',
      severity: 'error',
      from: { path: '^(src|test)/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-packages-in-src',
      severity: 'error',
      comment: 'What src imports at run time or build time must be in "dependencies".',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only'] },
    },

    only('shared-is-alone', '^src/shared/', '^src/shared/'),
    packages('shared-packages', '^src/shared/', ['zod/']),
    only(
      'crypto-is-alone',
      '^src/crypto/',
      '^src/crypto/',
      'No DOM, no Node, no clock, not even src/shared.',
    ),
    packages('crypto-packages', '^src/crypto/', ['@noble/', 'cborg/']),

    only('platform-knows-no-domain', `${SERVER}platform/`, [
      '^src/shared/',
      `${SERVER}(platform|generated)/`,
    ]),
    only('server-never-imports-client', SERVER, ['^src/(shared|server|crypto)/']),
    {
      name: 'server-crypto-through-verify',
      severity: 'error',
      comment: 'The server checks public data; it must not be able to reach anything that decrypts.',
      from: { path: SERVER },
      to: { path: '^src/crypto/', pathNot: '^src/crypto/verify\\.ts$' },
    },
    {
      name: 'router-only-wires',
      severity: 'error',
      comment: 'A router reaches shared schemas, tRPC wiring and its own domain without its queries.',
      from: { path: `${SERVER}domains/([^/]+)/[^/]+\\.router\\.ts$` },
      to: {
        path: '^src/',
        pathNot: ['^src/shared/', `${SERVER}domains/$1/(?![^/]+\\.queries\\.ts$)`, CORE],
      },
    },
    {
      name: 'nobody-imports-routers',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [`${SERVER}router\\.ts$`, `${SERVER}domains/[^/]+/[^/]+\\.router\\.ts$`],
      },
      to: { path: `${SERVER}domains/[^/]+/[^/]+\\.router\\.ts$` },
    },
    {
      name: 'queries-stay-in-their-domain',
      severity: 'error',
      from: { path: `${SERVER}domains/([^/]+)/` },
      to: { path: `${SERVER}domains/[^/]+/[^/]+\\.queries\\.ts$`, pathNot: `${SERVER}domains/$1/` },
    },
    {
      name: 'jobs-use-services',
      severity: 'error',
      from: { path: `${SERVER}jobs/` },
      to: {
        path: '^src/',
        pathNot: [
          '^src/shared/',
          `${SERVER}(jobs|platform|generated)/`,
          `${SERVER}domains/[^/]+/[^/]+\\.service\\.ts$`,
          CORE,
        ],
      },
    },
    {
      name: 'operations-use-services',
      severity: 'error',
      from: { path: `${SERVER}operations/` },
      to: {
        path: '^src/',
        pathNot: [
          '^src/shared/',
          `${SERVER}(operations|platform)/`,
          `${SERVER}domains/[^/]+/[^/]+\\.service\\.ts$`,
          CORE,
        ],
      },
    },
    {
      name: 'prisma-below-routers',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          PRISMA,
          `\\.(service|queries|job)\\.ts$`,
          `${SERVER}(platform/|access\\.ts|deps\\.ts|jobs/)`,
        ],
      },
      to: { path: PRISMA },
    },
    ...leftToRight,
    {
      name: 'domain-has-a-place',
      severity: 'error',
      comment: 'A new domain takes its place in the order above and in ARCHITECTURE.md.',
      from: { path: `${SERVER}domains/`, pathNot: `${SERVER}domains/(${DOMAINS.join('|')})/` },
      to: {},
    },

    {
      name: 'client-server-types-only',
      severity: 'error',
      comment: 'The browser knows the server only as `import type { AppRouter }` in client/api.',
      from: { path: CLIENT },
      to: { path: SERVER, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'client-server-types-in-api',
      severity: 'error',
      from: { path: CLIENT, pathNot: `${CLIENT}api/` },
      to: { path: SERVER },
    },
    {
      name: 'crypto-in-the-worker-only',
      severity: 'error',
      from: { path: CLIENT },
      to: { path: '^src/crypto/', pathNot: '^src/crypto/index\\.ts$' },
    },
    {
      name: 'crypto-in-client-crypto-only',
      severity: 'error',
      from: { path: CLIENT, pathNot: `${CLIENT}crypto/` },
      to: { path: '^src/crypto/' },
    },
    only('client-crypto', `${CLIENT}crypto/`, [
      '^src/shared/',
      '^src/crypto/index\\.ts$',
      `${CLIENT}(crypto|lib)/`,
    ]),
    only('client-api', `${CLIENT}api/`, ['^src/shared/', `${SERVER}router\\.ts$`, `${CLIENT}(api|lib)/`]),
    only('client-sync', `${CLIENT}sync/`, [
      '^src/shared/',
      `${CLIENT}(api|sync|lib)/`,
      `${CLIENT}crypto/(crypto-client|protocol)\\.ts$`,
    ]),
    only('client-features', `${CLIENT}features/`, [
      '^src/shared/',
      `${CLIENT}(api|sync|ui|lib|features)/`,
      `${CLIENT}crypto/(crypto-client|protocol)\\.ts$`,
    ]),
    {
      name: 'features-share-state-classes-only',
      severity: 'error',
      comment: 'A feature may use the state class of another feature, not its components.',
      from: { path: `${CLIENT}features/([^/]+)/` },
      to: { path: `${CLIENT}features/[^/]+/.+\\.svelte$`, pathNot: `${CLIENT}features/$1/` },
    },
    only('client-pages', `${CLIENT}pages/`, [
      '^src/shared/',
      `${CLIENT}(features|ui|lib|pages)/`,
      `${CLIENT}(routes|app-context)\\.ts$`,
    ]),
    only('client-ui', `${CLIENT}ui/`, `${CLIENT}(ui|lib)/`),
    only('client-lib', `${CLIENT}lib/`, [`${CLIENT}(lib|ui)/`, '^src/shared/']),
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^src/server/generated/'] },
    exclude: { path: '^(dist|data)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'svelte', 'browser', 'node', 'default'],
      extensions: ['.ts', '.svelte', '.js', '.mjs', '.json', '.d.ts'],
    },
    skipAnalysisNotInRules: false,
  },
};
