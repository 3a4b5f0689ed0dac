import type { PricingQuery } from './gql/graphql'

export type Product = NonNullable<PricingQuery['products']>['nodes'][number]
export type Price = NonNullable<Product['prices']>['nodes'][number]

/** "$9.00": the amount is in the currency's smallest unit, which is not a hundredth everywhere. */
export function amountOf({ unitAmount, currency }: Price): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency: currency ?? 'usd' })
  return format.format(Number(unitAmount ?? 0) / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2))
}

/** "a month", "every 3 months", or "once". */
export function intervalOf({ interval, intervalCount }: Price): string {
  const unit = interval?.toLowerCase()
  return !unit ? 'once' : (intervalCount ?? 1) === 1 ? `a ${unit}` : `every ${intervalCount} ${unit}s`
}
