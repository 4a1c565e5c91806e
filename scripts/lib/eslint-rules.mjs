// Our one variation on a core rule: function length, except for the callbacks of describe() in tests, which are
// groupings rather than functions.
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
