import type { Metadata } from 'next'
import Link from 'next/link'
import { Explanation } from '@/components/explanation'
import { Refused } from '@/components/session'
import { Plan, Pricing } from '@/lib/documents'
import { ask } from '@/lib/graphql'
import { amountOf, intervalOf, type Product } from '@/lib/price'
import { accessToken } from '@/lib/supabase/server'
import { LivePlan, YourPlan } from './plan'

export const metadata: Metadata = {
  title: 'Pricing',
  description: 'Products and prices for everybody, and the live status of your own subscription.',
}

export default async function PricingPage() {
  const token = await accessToken()
  const [prices, plan] = await Promise.all([ask(Pricing, {}), token ? ask(Plan, {}) : undefined])
  const problem = prices.problem ?? plan?.problem
  const products = <Products products={prices.data?.products?.nodes ?? []} />
  return (
    <>
      <Explanation title="Pricing" files={['pricing/page.tsx', 'pricing/plan.tsx', 'lib/live.ts']}>
        Everybody may read products and prices. Signed-in users see their subscription too, live: when a webhook changes
        its row, this page follows.
      </Explanation>
      {problem ? (
        <Refused problem={problem} />
      ) : plan?.data ? (
        <LivePlan plan={plan.data}>{products}</LivePlan>
      ) : (
        <>
          <p className="notice"><Link href="/sign-in?next=/pricing">Sign in</Link> to see your subscription.</p>
          {products}
        </>
      )}
    </>
  )
}

function Products({ products }: { products: Product[] }) {
  const onSale = products.filter(({ active }) => active)
  if (onSale.length === 0) {
    return <p className="empty">Nothing is for sale yet.</p>
  }
  return (
    <ul className="products" aria-label="Products">
      {onSale.map(({ id, name, description, prices }) => (
        <li key={id} className="card">
          <div>
            <h2>{name}</h2>
            <p className="aside">{description}</p>
          </div>
          <ul className="prices" aria-label={`Prices of ${name}`}>
            {prices?.nodes
              .filter(({ active }) => active)
              .toSorted((a, b) => Number(a.unitAmount) - Number(b.unitAmount))
              .map(price => (
                <li key={price.id}>
                  <span><strong>{amountOf(price)}</strong> {intervalOf(price)}</span>
                  <YourPlan priceId={price.id} />
                </li>
              ))}
          </ul>
        </li>
      ))}
    </ul>
  )
}
