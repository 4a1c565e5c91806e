// npm run build: the Prisma client, the server bundle and the browser client. --stale makes only what is out of date;
// --generate stops after the Prisma client.
import { isStale, markFresh } from './lib/stamps.mjs';
import { products } from './lib/products.mjs';

const onlyStale = process.argv.includes('--stale');
const wanted = process.argv.includes('--generate') ? products.slice(0, 1) : products;

for (const product of wanted) {
  if (onlyStale && !isStale(product)) continue;
  const began = performance.now();
  await product.make();
  markFresh(product);
  console.log(`Built the ${product.name} in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
}
