'use client'

import { createContext, use, type ReactNode } from 'react'
import { LiveBadge } from '@/components/live-badge'
import { PlanChanges } from '@/lib/documents'
import type { PlanQuery, PlanRowFragment } from '@/lib/gql/graphql'
import { useLive } from '@/lib/live'

const Paid = createContext<PlanRowFragment | null | undefined>(null)

/** Shows the state of the user's subscription, live, and tells what is inside which price it is for. */
export function LivePlan({ plan, children }: { plan: PlanQuery; children: ReactNode }) {
  const subscription = useLive(PlanChanges, plan).me?.subscription
  return (
    <Paid value={subscription}>
      <section className="card" aria-label="Your subscription">
        <div className="row">
          <p role="status">
            {subscription ? (
              <>
                {subscription.price?.product?.name ?? 'Your subscription'} is <strong>{words(subscription.status)}</strong>
                {subscription.cancelAtPeriodEnd && ', and ends with the period that is paid'}
              </>
            ) : (
              'You have no subscription.'
            )}
          </p>
          <LiveBadge />
        </div>
      </section>
      {children}
    </Paid>
  )
}

/** Marks the price that the user pays. */
export function YourPlan({ priceId }: { priceId: string }) {
  return use(Paid)?.price?.id === priceId && <span className="chip">Your plan</span>
}

/** "PAST_DUE" in words. */
const words = (status: string | null) => status?.toLowerCase().replaceAll('_', ' ') ?? 'unknown'
