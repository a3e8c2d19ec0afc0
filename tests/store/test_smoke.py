from store.users import bootstrap_user, get_user_by_email


def test_a_user_is_found_again_by_email(store, clock):
    made = store.run(lambda tx: bootstrap_user(tx, "Ana@Owner.example", now=clock.now()))

    assert made == store.run(lambda tx: get_user_by_email(tx, "ana@owner.example"))


async def test_a_live_store_answers(live_store, clock):
    made = await live_store.write(lambda tx: bootstrap_user(tx, "Ana@Owner.example", now=clock.now()))

    assert made == await live_store.read(lambda tx: get_user_by_email(tx, "ana@owner.example"))
