// W4's server: one community of many people, of whom each will open one connection and do nothing.
import { addCommunity, addPeople, tokensOf } from './populace.ts';
import { openStage, serveStage } from './stage.ts';

const [count = '1'] = process.argv.slice(2);
const stage = await openStage();
const { app } = stage;
const people = await addPeople(app.deps, Number(count));
await addCommunity(app.deps, people);
const open = (): number => app.hub.metrics.bound;
await serveStage(stage, { tokens: await tokensOf(app.deps, people) }, { open });
