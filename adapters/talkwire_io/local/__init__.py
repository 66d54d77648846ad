"""A Realtime service on your own machine: real WebRTC and websockets, around talkwire's `Service`.

For a test or a script of yours, on a free port:

    async with serving() as service:
        client = AsyncOpenAI(api_key="any", base_url=service.base_url)

In an app of yours:

    calls = Calls(await asyncio.to_thread(load_voice), RuleBrain())
    app.register_blueprint(realtime_blueprint(calls))

Each name is in a module of its own: `serving`, `options.Options` (which keys, which dialect),
`calls.Calls`, `blueprint.realtime_blueprint`, and the voice in `voice`. They are not imported here:
the voice must be importable where aiortc is not installed, and the other way round.
"""
