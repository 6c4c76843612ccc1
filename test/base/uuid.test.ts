import t from 'tap'
import { uuidv7 } from '../../supervisor/base/uuid.ts'

t.test('UUIDs of version 7 with their time, all different, whatever their random bits', async (t) => {
  const seen = new Set<string>()
  const variants = new Set<string>()
  const now = 0x0123456789ab
  for (let i = 0; i < 2_000; i++) {
    const id = uuidv7(now)
    if (!/^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)) t.fail(id)
    seen.add(id)
    variants.add(id[19] as string)
  }
  t.equal(seen.size, 2_000)
  t.same([...variants].sort(), ['8', '9', 'a', 'b'])
})

t.test('later ones sort after earlier ones', async (t) => {
  const times = [0, 1, 2 ** 16 - 1, 2 ** 16, 2 ** 32, Date.now(), 2 ** 48 - 1]
  const ids = times.map((time) => uuidv7(time))
  t.same([...ids].sort(), ids)
  t.same(
    ids.map((id) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)),
    times,
  )
})
