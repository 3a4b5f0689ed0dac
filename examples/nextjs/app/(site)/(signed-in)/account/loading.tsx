export { LoadingPage as default } from '@/components/loading'
