// Our own lint rules: function length, except for the callbacks of describe() in tests, which are groupings rather than
// functions; and work that an effect begins without being run again by it.
import { builtinRules } from 'eslint/use-at-your-own-risk';

const core = builtinRules.get('max-lines-per-function');

function isDescribeCallback(node) {
  if (node?.parent?.type !== 'CallExpression') return false;
  let callee = node.parent.callee;
  // describe(…), describe.each(table)(…), test.describe(…)
  while (callee) {
    if (callee.type === 'Identifier') return callee.name === 'describe';
    if (callee.type === 'MemberExpression' && callee.property.name === 'describe') return true;
    callee = callee.type === 'CallExpression' ? callee.callee : callee.object;
  }
  return false;
}

export const functionLength = {
  meta: core.meta,
  create(context) {
    const quiet = Object.create(context, {
      report: { value: (problem) => isDescribeCallback(problem.node) || context.report(problem) },
    });
    return core.create(quiet);
  },
};

const isCallOf = (node, name) => node?.type === 'CallExpression' && node.callee.name === name;

/** The function around `node` whose body runs it: the callback of `$effect` or `untrack`, or any other function. */
function aroundOf(node) {
  for (let at = node.parent; at; at = at.parent)
    if (/^(Arrow)?Function/.test(at.type)) return at.parent.arguments?.[0] === at ? at.parent : at;
  return null;
}

/**
 * What an effect begins and does not wait for reads state on its way to its first wait and changes it afterwards: tracked,
 * the effect runs again, and where the work ends without waiting for anything, for ever and before anything else.
 */
export const untrackedWork = {
  meta: { type: 'problem', schema: [], messages: { tracked: 'Begin this inside untrack(() => …).' } },
  create(context) {
    const check = (node) => {
      if (isCallOf(aroundOf(node), '$effect')) context.report({ node, messageId: 'tracked' });
    };
    return {
      "UnaryExpression[operator='void'][argument.type='CallExpression']": (node) => {
        if (!isCallOf(node.argument, 'untrack')) check(node);
      },
      "CallExpression[callee.property.name='catch']": check,
    };
  },
};
