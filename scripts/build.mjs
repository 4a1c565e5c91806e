// npm run build: the Prisma client, the server bundle and the browser client. --stale makes only what is out of date;
// --generate stops after the Prisma client, --server after the server bundle.
import { isStale, markFresh } from './lib/stamps.mjs';
import { products } from './lib/products.mjs';

const onlyStale = process.argv.includes('--stale');
const upTo = process.argv.includes('--generate')
  ? 1
  : process.argv.includes('--server')
    ? 2
    : products.length;
const wanted = products.slice(0, upTo);

for (const product of wanted) {
  if (onlyStale && !isStale(product)) continue;
  const began = performance.now();
  await product.make();
  markFresh(product);
  console.log(`Built the ${product.name} in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
}
