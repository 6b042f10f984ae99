from test_session_measured_links import *
async def test_x(autojump_clock):
    f=open('/tmp/n/x.txt','w')
    for at in [None]+list(range(0,322,7)):
        n,fig=await measured(long_talk,*([Break(at=at)] if at is not None else []))
        print(at,n,[(t.number,t.interrupted_at,t.began_at,t.asked_at) for t in fig.turns if t.interrupted_at], [(t.speech_start_at,t.speech_end_at, t.responses[0].first_audio_at, t.responses[-1].done_at,t.first_audio_heard_at) for t in fig.turns if t.began=='speech'], file=f,flush=True)
    f.close()
