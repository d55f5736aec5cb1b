export interface Product {
  readonly id: number;
  readonly title: string;
  readonly description: string;
}

export const PRODUCTS: readonly [Product, ...Product[]] = [
  {
    id: 0,
    title: 'The Comedy of Errors',
    description:
      'Two merchants’ sons, split by a shipwreck, come to the same harbour town with two servants who are just as hard to tell apart. By supper everyone has been locked out, arrested or kissed by mistake. Shakespeare’s shortest play, and the one that is over before you stop smiling.',
  },
];
