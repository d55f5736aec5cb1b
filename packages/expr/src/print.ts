import { type Expression, PRECEDENCE } from './ast.ts';

/** The shortest usual text of an expression. `parseExpression` of it gives the same expression, but for columns. */
export function printExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'string':
      return quote(expression.value);
    case 'int':
      return String(expression.value);
    case 'double': {
      const text = String(expression.value);
      return /[.e]/.test(text) ? text : `${text}.0`;
    }
    case 'bool':
      return String(expression.value);
    case 'attribute':
      return expression.name;
    case 'index':
      return `${operand(expression.map)}[${printExpression(expression.key)}]`;
    case 'call': {
      const args = expression.args.map(printExpression).join(', ');
      return expression.receiver
        ? `${operand(expression.receiver)}.${expression.name}(${args})`
        : `${expression.name}(${args})`;
    }
    case 'binary': {
      const level = PRECEDENCE[expression.operator];
      const left = binaryOperand(expression.left, level);
      const right = binaryOperand(expression.right, level + 1);
      return `${left} ${expression.operator} ${right}`;
    }
  }
}

function operand(expression: Expression): string {
  const text = printExpression(expression);
  const bare = expression.kind !== 'binary' && expression.kind !== 'int' && expression.kind !== 'double';
  return bare && expression.kind !== 'bool' ? text : `(${text})`;
}

function binaryOperand(expression: Expression, level: number): string {
  const text = printExpression(expression);
  return expression.kind === 'binary' && PRECEDENCE[expression.operator] < level ? `(${text})` : text;
}

// JSON's escapes are a part of the language's, but for \/ (which JSON.stringify does not write).
function quote(value: string): string {
  return JSON.stringify(value);
}
