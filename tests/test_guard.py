"""The guard takes no two questions for one that have two answers, and takes enough for one to be of use."""

import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from benchmarks.cache_safety import pairs, score
from liquid_ai.generation import guard
from liquid_ai.generation.guard import agree
from liquid_ai.generation.guard_phrases import PHRASES, rephrased
from liquid_ai.generation.guard_text import UNITS, plain_words
from liquid_ai.generation.guard_words import CANONICAL, GROUPS

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What no split of the suite holds: `=` asks for the same thing, `!` for another.
QUESTIONS = """
When was the Eiffel Tower built?
  = When did the construction of the Eiffel Tower take place?
Who invented the telephone?
  = Who was the telephone invented by?
Which documents are required for a visa application?
  = What documents do I need for a visa application?
How is the deposit refunded?
  = How do you refund the deposit?
How much does it cost to park at the airport?
  = What is the price of parking at the airport?
How can a leather sofa be cleaned?
  = How do I clean a leather couch?
Is breakfast included in the room price?
  = Does the room price include breakfast?
Can I bring my dog on the train?
  = Am I allowed to bring my dog on the train?
Who wrote the annual report?
  = Who is the author of the annual report?
When does the shop open on Sundays?
  = At what time does the shop open on Sundays?
Should the oven be preheated before baking?
  = Should I preheat the oven before baking?
Why isn't my router connecting to the internet?
  = Why is my router not connecting to the internet?
Which company manufactures this engine?
  = By which company is this engine manufactured?
How do I reset my password?
  = Could you show me how I can reset my password?
Is smoking permitted on the balcony?
  = Is it allowed to smoke on the balcony?
How deep is Lake Baikal?
  = What is the depth of Lake Baikal?
How far is Paris from London?
  = What is the distance between London and Paris?
Did the Allies win the battle?
  = Was the battle won by the Allies?
Has the contract been signed by both parties?
  = Have both parties signed the contract?
In winter, how often should I water a cactus?
  = How often should I water a cactus in winter?
Does the library open on Monday, 5 January 2026?
  = Does the library open on 5 Jan 2026?
How do I convert a list to a tuple?
  = How does the conversion of a list to a tuple work?
  ! How do I convert a tuple to a list?
Can the warranty be extended by the customer?
  = Can the customer extend the warranty?
Was the bridge designed by a woman?
  = Did a woman design the bridge?
Who discovered penicillin?
  = By whom was penicillin discovered?
What is the pass rate of the exam?
  = What's the exam's pass rate?
How do I cancel my subscription?
  = What is the procedure for cancelling my subscription?
  = How does the cancellation of my subscription work?
  = I'd like instructions for cancelling my subscription.
When does registration for the course end?
  = When is the end of registration for the course?
Do I need an adapter for British sockets?
  = Is an adapter needed for British sockets?
  ! Does an adapter need British sockets?
Is it possible to change the booking without paying a fee?
  = Can I change the booking without paying a fee?
  = Is it possible to change the booking if I don't pay a fee?
Do children under 5 travel free?
  = Do kids under five travel for free?
Which airlines don't charge for hand luggage?
  = Which airlines do not charge for hand baggage?
What is the cheapest way to get from Rome to Naples?
  = What's the cheapest way of getting from Rome to Naples?
How do I get from the station to the castle?
  = How can I get to the castle from the station?
  ! How do I get from the castle to the station?
Should I tip waiters in Japan?
  = Should waiters be tipped in Japan?
In Japan, should I tip waiters?
  = Should I tip waiters in Japan?
How many litres does the tank hold?
  = How many liters does the tank hold?
  = How many l does the tank hold?
What temperature should the fridge be?
  = What temperature should the refrigerator be?
How do I stop the tap from dripping?
  = How do I keep the tap from dripping?
  ! How do I stop the drip from tapping?
How can mould be prevented?
  = How do I prevent mold?
What is the best way to sharpen a knife?
  = How do I best sharpen a knife?
Which paint is suitable for bathrooms?
  = Which paint is appropriate for bathrooms?
Is the paint dry after two hours?
  = Is the paint dry after 2 hours?
When must the tax return be submitted?
  = When do I have to submit the tax return?
Who is allowed to sign contracts?
  = Who may sign contracts?
Are employees allowed to accept gifts?
  = May employees accept gifts?
  = Can gifts be accepted by employees?
Aren't employees allowed to accept gifts?
  = Are employees not allowed to accept gifts?
How is overtime calculated?
  = How do you calculate overtime?
How are sick days reported?
  = How do I report sick days?
  = Can you explain how to report sick days?
How much notice do I have to give?
  = How much notice must I give?
What does the insurance not cover?
  = What isn't covered by the insurance?
Where is the config file stored?
  = Where is the configuration file kept?
How do I roll back a deployment?
  = How can a deployment be rolled back?
Why does the build fail on Windows?
  = What makes the build fail on Windows?
  = What is the reason why the build fails on Windows?
  = How come the build fails on Windows?
Is Python 3.12 supported?
  = Do you support Python 3.12?
Does the API return JSON?
  = Is JSON returned by the API?
What is the default value of the timeout parameter?
  = What is the timeout parameter's default value?
What's the maximum upload size?
  = What is the max upload size?
How do I delete a branch?
  = How do I remove a branch?
How does the garbage collector work?
  = Explain how the garbage collector works.
Can a lambda contain statements?
  = May a lambda contain statements?
  = Can statements be contained in a lambda?
Which keyword defines a generator?
  = Which keyword is a generator defined by?
What is the use of the global statement?
  = What is the global statement used for?
What is the global statement used for?
  = What's the purpose of the global statement?
Do default arguments get evaluated once?
  = Are default arguments evaluated once?
When is __del__ called?
  = When does __del__ get called?
What happens if no exception is raised?
  = What happens when no exception is raised?
What happens if the file does not exist?
  = What happens if the file doesn't exist?
What happens if there is no default?
  = What happens without a default?
Is a semicolon required at the end of a line?
  = Do I need a semicolon at the end of a line?
  ! Is a semicolon allowed at the end of a line?
How do I repot an orchid?
  = What's the way to repot an orchid?
How many calories are there in an egg?
  = How many calories are in an egg?
Which planets have rings?
  = What planets have rings?
Which planets have no moons?
  = Which planets do not have moons?
  = Which planets don't have any moons?
How high is Mont Blanc in metres?
  = How high is Mont Blanc in m?
When was the treaty signed?
  = When did they sign the treaty?
Where is the treaty kept?
  = Where do they keep the treaty?
Who is the bank owned by?
  = Who owns the bank?
Which bank is the app owned by?
  = Which bank owns the app?
Which currency is used in Peru?
  = What currency do they use in Peru?
Which language is spoken in Brazil?
  = What language do people speak in Brazil?
Do I need a visa for India?
  = Do I require a visa for India?
  = Is a visa required for India?
How long is the flight to Tokyo?
  = How long does the flight to Tokyo take?
What time does the last bus leave?
  = When does the last bus leave?
  = What time does the last bus depart?
How should leather shoes be stored?
  = How should I store leather shoes?
How often must the filter be replaced?
  = How often do I have to replace the filter?
  = How often does the filter have to be replaced?
  = How often does the filter need to be replaced?
  = How often does the filter need replacing?
Why must the valve be closed first?
  = Why do I have to close the valve first?
May I film in the museum?
  = Is filming allowed in the museum?
  = Am I allowed to film in the museum?
Must I not film in the museum?
  = Mustn't I film in the museum?
Who has to approve the budget?
  = Who must approve the budget?
  = By whom does the budget have to be approved?
Will the office be closed on Friday?
  = Is the office going to be closed on Friday?
How was the fault repaired?
  = How did they repair the fault?
  = How did you fix the fault?
Has the fault been fixed?
  = Has the fault been repaired?
Has the fault been fixed yet?
  = Has the fault already been fixed?
How do I apply for leave?
  = How does one apply for leave?
  = What's the process for applying for leave?
How can I get a refund?
  = How do I obtain a refund?
  = What do I need to do to get a refund?
How do I merge two cells in Excel?
  = How do I merge 2 cells in Excel?
  = How are two cells merged in Excel?
  = In Excel, how do I merge two cells?
Which port is used by HTTPS?
  = Which port does HTTPS use?
Does HTTPS use port 443?
  = Is port 443 used by HTTPS?
Does the function return a list or a tuple?
  = Does the function return a tuple or a list?
Does the function not return anything?
  = Does the function return nothing?
Which exceptions can open() raise?
  = Which exceptions can be raised by open()?
What is the type of 1 + 1.0?
  = Which type does 1 + 1.0 have?
What does `del` do?
  = What is the effect of `del`?
What is `nonlocal` for?
  = What is the purpose of `nonlocal`?
How is __init__ different from __new__?
  = What's the difference between __init__ and __new__?
Where can I use `await`?
  = Where can `await` be used?
Where can `await` be used?
  = In which places can `await` be used?
Which knife is best for filleting fish?
  = Which knife is the best for filleting fish?
Who repairs washing machines in Leeds?
  = By whom are washing machines repaired in Leeds?
How long should I boil an egg?
  = For how long should I boil an egg?
  = How long should an egg be boiled?
What can I use instead of butter?
  = What can be used instead of butter?
Do I have to wash rice before cooking?
  = Is it necessary to wash rice before cooking?
  = Does rice have to be washed before cooking?
Do I have to wash rice before cooking it?
  = Do I need to wash rice before I cook it?
At what temperature should I wash wool?
  = What temperature should wool be washed at?
Which terminal does flight BA 117 leave from?
  = From which terminal does flight BA 117 depart?
How much luggage may I take on board?
  = How much baggage am I allowed to take on board?
Is there a night train to Vienna?
  = Does a night train to Vienna exist?
Are there any direct flights to Malta?
  = Are there direct flights to Malta?
Is the pass valid for seven days?
  = Is the pass valid for 7 days?
Can I get a refund if my train is late?
  = If my train is late, can I get a refund?
Which artist painted this ceiling?
  = Which artist was this ceiling painted by?
Who built the cathedral?
  = Who was the builder of the cathedral?
How do I renew my licence?
  = How can my licence be renewed?
What are the opening hours of the pool?
  = What are the pool's opening hours?
Who do I contact about my pension?
  = Whom do I contact about my pension?
What documents do I have to bring?
  = Which documents must I bring?
  = Which documents must be brought?
Can an employee refuse overtime?
  = Can overtime be refused by an employee?
  = Is an employee allowed to refuse overtime?
Does the contract end automatically after two years?
  = After 2 years, does the contract end automatically?
Does the contract end after 24 months?
  = Does the contract end after twenty-four months?
How is the bonus calculated?
  = How do you calculate the bonus?
Who may see my medical records?
  = Who is allowed to see my medical records?
Who pays if the parcel is lost?
  = If the parcel gets lost, who pays?
Isn't VAT included in the price?
  = Is VAT not included in the price?
What is the VAT rate on books?
  = What is the rate of VAT on books?
How do I stop a running container?
  = How can a running container be stopped?
Can I run the server without root?
  = Can the server be run without root?
Why does the import of numpy fail?
  = Why does importing numpy fail?
What is the default port of Redis?
  = What's Redis's default port?
Does the index speed up the query?
  = Is the query sped up by the index?
How do I rename a column in pandas?
  = In pandas, how can I rename a column?
How do I avoid duplicate rows?
  = How can I avoid duplicate rows?
  = How can duplicate rows be avoided?
Can milk that has been opened be frozen?
  = Can I freeze milk that has been opened?
  ! Can milk that has been frozen be opened?
Is the door that was locked painted?
  ! Is the door that was painted locked?
Has the tenant made a payment to the bank?
  = Has the tenant paid the bank?
  ! Has the bank made a payment to the tenant?
Are visitors not charged for parking?
  = Aren't visitors charged for parking?
  ! Are visitors charged for parking?
Is parking here forbidden?
  = Is parking here not allowed?
  ! Is parking here allowed?
Does the lease end unless I renew it?
  = Does the lease end if I don't renew it?
  ! Does the lease end if I renew it?
Do lions and brown foxes swim?
  = Do brown foxes and lions swim?
  ! Do brown lions and foxes swim?
Is the fee paid by card or in cash?
  = Is the fee paid in cash or by card?
  ! Is the fee paid by card and in cash?
At a depth of 10 m, at which pressure do divers breathe?
  = At which pressure do divers breathe at a depth of 10 m?
  ! At which depth do divers breathe at a pressure of 10 m?
Is the half past seven bus full?
  = Is the 7:30 bus full?
  ! Is the 7:15 bus full?
Is the kiosk open on Sat. until 4 o'clock?
  = Is the kiosk open on Saturday until 4:00?
  ! Is the kiosk open on Sunday until 4:00?
Which ports does the Simple Network Management Protocol use?
  = Which ports does SNMP use?
  ! Which ports does SMTP use?
How do I fill in the tax form?
  = How do I complete the tax form?
  = How do I fill the tax form in?
  ! How do I check the tax form?
When is the next ferry? Any ideas?
  = When is the next ferry?
  ! When was the next ferry?
Can my cat eat cheese? She is pregnant.
  ! Can my cat eat cheese?
I am diabetic. Can I eat dates?
  = Can I eat dates? I am diabetic.
  ! I am pregnant. Can I eat dates?
Only members may vote, right?
  = Is it only members that may vote?
  ! Do members only vote, right?
Lunch included?
  = Is lunch included?
  ! Does lunch include?
Why is the kettle not boiling?
  = Why does the kettle not boil?
  = Why does the kettle fail to boil?
  ! Why is the kettle boiling?
What is the maximum number of goals in a match?
  ! What is the minimum number of goals in a match?
Name the king who ruled in 1700.
  = Which king ruled in 1700?
  ! Name the king who ruled in 1800.
Are slips that are signed kept?
  ! Are slips that are kept signed?
Should the fence be washed before it is painted?
  = Should I wash the fence before I paint it?
  ! Should the fence be painted before it is washed?
Should guests sign before they are paid?
  ! Should guests sign before paying?
Should guests sign when they pay?
  ! Should guests sign when they are paid?
Is the refund paid by Friday?
  ! Do I pay the refund by Friday?
Why can I not log in?
  ! Why must I not log in?
Who signed the contract on 4 or 11 May?
  ! Who signed the contract on 4 or 11 June?
Is sulfite found in wine?
  ! Is sulfate found in wine?
How do I start the engine?
  = How do I start the enigne?
  ! How do I stop the enigne?
Was I allowed to smoke?
  ! Am I allowed to smoke?
Who paid?
  ! Who was paid?
Who paid for the repair?
  ! Who was paid for the repair?
Which team beat Ajax?
  ! Which team was beaten by Ajax?
Which team did Ajax beat?
  ! Which team beat Ajax?
Can I call you?
  ! Can you call me?
Can I delete my account?
  ! Can you delete my account?
Is my landlord allowed to enter?
  ! Is your landlord allowed to enter?
How do I copy files from a server in Spain to a PC in France?
  ! How do I copy files from a server in France to a PC in Spain?
How do I send an invoice to a client from a supplier?
  ! How do I send an invoice from a client to a supplier?
Does the manager report to the director?
  ! Does the director report to the manager?
Can a user who owns a file delete a group?
  ! Can a user who deletes a file own a group?
Must I not pay the fee?
  ! Do I not have to pay the fee?
Which users have not paid?
  ! Which users have paid?
Are users not in the group shown?
  ! Are users in the group not shown?
Is the door open if the alarm rings?
  ! Is the alarm ringing if the door is open?
What happens if I pay before the bill arrives?
  ! What happens if the bill arrives before I pay?
Do all managers approve some invoices?
  ! Do some managers approve all invoices?
Is A bigger than B?
  ! Is B bigger than A?
Only managers can see reports?
  ! Managers can only see reports?
Is the shop open on Monday?
  ! Is the shop open on Sunday?
How much does the ticket cost?
  ! How much did the ticket cost?
How long will the repair take?
  ! How long did the repair take?
How tall was the tower?
  ! How tall is the tower?
What does GET mean?
  ! What does PUT mean?
Does `a or b` short circuit?
  ! Does `b or a` short circuit?
Is 5 kg more than 5 lb?
  ! Is 5 lb more than 5 kg?
Can I pay in US dollars?
  ! Can I pay in Canadian dollars?
Who is the current CEO?
  ! Who was the previous CEO?
Does Ann like Bob or Eve?
  ! Does Eve like Bob or Ann?
How do I subtract 5 from 10?
  ! How do I subtract 10 from 5?
What is 10 divided by 5?
  ! What is 5 divided by 10?
Did the dog that the cat bit run?
  ! Did the cat that the dog bit run?
Should I take the pill at least 2 hours after eating?
  ! Should I take the pill at most 2 hours after eating?
  ! Should I take the pill at least 2 hours before eating?
Is the app free for students?
  ! Is the app free of students?
How do I turn the alarm on?
  ! How do I turn the alarm off?
Which exceptions are raised?
  ! Which exceptions raise?
Why was the vote cancelled?
  ! Why is the vote cancelled?
  ! Why wasn't the vote cancelled?
Can I take it without food?
  ! Can I take it with food?
Is lunch or dinner included?
  ! Is lunch and dinner included?
Where was Ann seen by Bob?
  ! Where was Bob seen by Ann?
Where did Ann see Bob?
  ! Where was Ann seen by Bob?
By whom was Ann hired?
  ! Whom did Ann hire?
Who hired Ann?
  ! Who did Ann hire?
Who did Ann hire?
  ! Who was Ann hired by?
What caused the fire?
  ! What did the fire cause?
Who is the owner of the firm?
  ! Who is the firm the owner of?
Who wrote about Ann?
  ! Who did Ann write about?
Is the value read before it is written?
  ! Is the value written before it is read?
Can I open the file read only?
  ! Can I only open the file to read?
What is the fee for late payment?
  ! What is the fee for payment?
Is it safe to eat raw eggs?
  ! Is it unsafe to eat raw eggs?
Was the flight from Oslo to Rome delayed?
  ! Was the flight to Oslo from Rome delayed?
Does drinking coffee prevent sleep?
  ! Does sleep prevent drinking coffee?
What is the effect of A on B?
  ! What is the effect of B on A?
How does A affect B?
  ! How does B affect A?
When should I plant after frost?
  ! When should I plant before frost?
Which is better than A, B or C?
  ! Which is better than B, A or C?
Is a parent allowed to sign for a child?
  ! Is a child allowed to sign for a parent?
Were the goods sold to the dealer by the bank?
  ! Were the goods sold to the bank by the dealer?
Can people be forced to vote?
  ! Can people force a vote?
Is the tenant or the landlord liable to the bank?
  ! Is the bank or the landlord liable to the tenant?
What is the difference in price between A and B?
  ! What is the difference in price between A and C?
Does the app support iOS 17 but not 16?
  ! Does the app support iOS 16 but not 17?
Can I have milk and not sugar?
  ! Can I have sugar and not milk?
How do I log in to US servers?
  ! How do I log in to us servers?
Has the rent been raised twice?
  ! Has the rent been raised once?
Are you paid weekly?
  ! Are you paid monthly?
Is the fee per day or per week?
  ! Is the fee per day and per week?
Which drug reduces fever?
  ! Which drug increases fever?
Did prices rise in May?
  ! Did prices fall in May?
Can I go in May?
  ! May I go in?
Is grep -v useful?
  ! Is grep -V useful?
How do I get into the building?
  ! How do I get out of the building?
What is bigger, 1/2 or 1/3?
  ! What is bigger, 1/2 or 1/4?
What is 2 + 3?
  ! What is 2 - 3?
What is -5 + 3?
  ! What is 5 + 3?
Was it on 03/04/2025?
  ! Was it on 04/03/2025?
Is the bus at 5 pm?
  ! Is the bus at 5 am?
Do I need a visa for 90 days?
  ! Do I need a visa for 90 weeks?
Is X > Y?
  ! Is X < Y?
Is x >= 5?
  ! Is x <= 5?
Which file contains the settings?
  ! Which settings contain the file?
What is raised if the key is missing?
  ! What raises if the key is missing?
Can the customer extend the warranty?
  ! Can the warranty extend the customer?
Do you support Python 3.12?
  ! Do I support Python 3.12?
Is it possible to change the booking if I pay a fee?
  ! Is it possible to change the booking if I don't pay a fee?
Are employees not allowed to accept gifts?
  ! Are employees allowed not to accept gifts?
Do I have to give notice?
  ! Did I have to give notice?
Does the tenant pay the agent?
  ! Is the tenant paid by the agent?
Is the tenant paid by the agent?
  ! Is the agent paid by the tenant?
Has Ann been promoted?
  ! Has Ann promoted?
When will the bill be paid?
  ! When was the bill paid?
Which airlines charge for luggage without food?
  ! Which airlines charge for food without luggage?
Who taught Plato?
  ! Who did Plato teach?
  ! Who was taught by Plato?
Who was taught by Plato?
  ! Who was Plato taught by?
What eats sharks?
  ! What do sharks eat?
What do sharks eat?
  ! What are sharks eaten by?
  ! Which sharks eat?
Can every user see some file?
  ! Can some user see every file?
Is any file deleted?
  ! Is every file deleted?
Is the pool open before 9 am?
  ! Is the pool open before 9 pm?
Do I pay 5 euros per hour?
  ! Do I pay 5 euros per day?
What is the minimum wage in 2024?
  ! What is the minimum wage in 2025?
Can I drink after the vaccine?
  ! Can I drink before the vaccine?
Is tea or coffee free?
  ! Is neither tea nor coffee free?
What is the population of Chad?
  ! Who lives in Chad?
What is the size of my parcel?
  ! What is the size of your parcel?
Do you deliver my parcel?
  ! Do you deliver your parcel?
Should Ann pay Bob?
  ! Should Bob pay Ann?
Should Ann be paid by Bob?
  ! Should Ann pay Bob?
Where did the thief that Ann saw go?
  ! Where did the thief that saw Ann go?
Which doctor did the nurse call?
  ! Which doctor called the nurse?
  ! Which nurse did the doctor call?
What is the name of the mother of John's father?
  ! What is the name of the father of John's mother?
Was Rome conquered in Gaul?
  ! Was Gaul conquered in Rome?
Is food served in the bar?
  ! Is the bar served in food?
Does the firm offer jobs?
  ! Are firms offered jobs?
Can a company that buys goods sell services?
  ! Can a company that sells goods buy services?
Does 2FA cost extra?
  ! Does 2 FA cost extra?
Is the museum open on 5/6/2026?
  ! Is the museum open on 6/5/2026?
When can't I cancel?
  ! When can I cancel?
Why should I not restart?
  ! Why should I restart?
Is it illegal to park here?
  ! Is it legal to park here?
Does it work on Windows 10?
  ! Does it work on Windows 11?
Does it work on Windows?
  ! Does it work on Windows 11?
Is vitamin B12 safe?
  ! Is vitamin B6 safe?
Does section 3(a) apply?
  ! Does section 3(b) apply?
What is in chapter IV?
  ! What is in chapter VI?
Is H2O polar?
  ! Is CO2 polar?
Is it cheaper by bus than by train?
  ! Is it cheaper by train than by bus?
Who beat France in the final?
  ! Who was beaten by France in the final?
Who was beaten in the final?
  ! Who beat in the final?
Is there anything I can't eat?
  ! Is there anything I can eat?
Does the rule apply only to adults?
  ! Does only the rule apply to adults?
Is the price with tax?
  ! Is the price without tax?
Can I not only read but write?
  ! Can I only read but not write?
How do I unlock the phone?
  ! How do I lock the phone?
Do I get the bonus even if I quit?
  ! Do I get the bonus if I quit?
Do I get the bonus unless I quit?
  ! Do I get the bonus if I quit?
Did she say he was ill?
  ! Did he say she was ill?
Is he taller than her?
  ! Is she taller than him?
Can I book it for two?
  ! Can I book two for it?
Can you send it to me?
  ! Can I send it to you?
Did they pay us?
  ! Did we pay them?
Did you hire me?
  ! Did I hire you?
Can I be hired by you?
  ! Can I hire you?
Can you be hired?
  ! Can you hire?
Have you been paid?
  ! Have you paid?
Has he left?
  ! Was he left?
What is the company plan?
  ! What does the company plan?
What is the fire's cause?
  ! What does the fire cause?
Which is the largest?
  ! Which has the largest?
Is the bank charge high?
  ! Does the bank charge high?
What are the police reports?
  ! What do the police report?
What are cups of tea?
  ! What are tea cups?
What does the change cost?
  ! What is the cost change?
How many cups of tea are there?
  ! How many tea cups are there?
Who is the guard of the king?
  ! Who does the king guard?
Where is the light switch?
  ! Where does the light switch?
When is the train stop?
  ! When does the train stop?
Which month should roses be pruned in?
  ! Which roses should be pruned in a month?
What does the bank of France own?
  ! What is the bank of France owned by?
What can cats eat?
  ! Which cats can eat?
Do few users pay?
  ! Do a few users pay?
Is it still not open?
  ! Is it not still open?
Does it not always work?
  ! Does it always not work?
How do you protect my data?
  ! How do I protect my data?
How can you be reached?
  ! How can you reach me?
What did the dog bite?
  ! Which dog did bite?
"""


def asked(mark: str) -> list[tuple[str, str]]:
    "The pairs of a kind."
    found, question = [], ""
    for line in QUESTIONS.strip().splitlines():
        if line.startswith("  "):
            found += [(question, line[4:])] if line[2] == mark else []
        else:
            question = line
    return found


@pytest.mark.parametrize(("one", "two"), asked("!"))
def test_questions_with_two_answers_are_told_apart(one, two):
    assert agree(one, two) and agree(two, one)


@pytest.mark.parametrize(("one", "two"), asked("="))
def test_questions_with_one_answer_agree(one, two):
    assert agree(one, two) == agree(two, one) == ""


def test_none_of_them_is_in_the_suite():
    suite = {text for p in pairs("dev") for text in (p.first, p.second)}
    assert not suite & {text for mark in "=!" for pair in asked(mark) for text in pair}


def test_on_the_dev_split():
    found = score(lambda first, second: not agree(second, first), "dev")
    assert found.wrong.count == 0 and found.hit.value > 0.6


texts = st.one_of(
    st.text(max_size=60),
    st.text("ab 1.,'§_-?`\"", max_size=40),
    st.sampled_from([text for p in pairs("dev")[::7] for text in (p.first, p.second)]),
)


@given(texts, texts)
@settings(QUICK, max_examples=150)
def test_it_does_not_matter_who_asked_first(one, two):
    assert bool(agree(one, two)) == bool(agree(two, one))


@given(texts)
@settings(QUICK, max_examples=150)
def test_a_question_agrees_with_itself_whatever_it_is(text):
    assert agree(text, text) == ""


COMMON = Counter(
    w for p in (*pairs("dev"), *pairs("practice")) for w in re.findall(r"[\w'’-]+|[,;:?]", p.first)
)
GRAMMAR_WORDS = [w for w, _ in COMMON.most_common(250)]


@given(st.lists(st.sampled_from(GRAMMAR_WORDS), max_size=14), st.sampled_from(pairs("dev")))
@settings(QUICK, max_examples=400)
@example(
    ["Why", "right", "?", "A", "only", "be", "deleted", "by", "admins", ",", "can", "?"], pairs("dev")[0]
)
def test_nothing_that_is_typed_makes_it_fail(typed, pair):
    question = " ".join(typed)
    assert agree(question, question) == ""
    agree(question, pair.first)


FRAMES = (
    "How do I install {} on the server?",
    "Does {} run faster than Apache?",
    "Was {} founded by Ann Lee in 1990?",
    "What is the price of {} in Rome?",
    "If I use {}, can the report be deleted?",
    "Tell me which exceptions are raised by {}.",
)
words = st.from_regex(r"[b-df-hj-np-tv-z][aou][b-df-hj-np-tv-z]{2}[ou][a-z]{0,3}", fullmatch=True)


@given(st.sampled_from(FRAMES), words, words)
@settings(QUICK, max_examples=200)
def test_a_word_that_nobody_knows_is_a_miss(frame, one, two):
    same = guard.plain_words(one).words == guard.plain_words(two).words
    stem = {w.rstrip("s").removesuffix("e").removesuffix("ed") for w in (one, two)}
    assume(not same and len(stem) == 2)
    assert agree(frame.format(one), frame.format(two))


numbers = st.one_of(
    st.integers(0, 10**6).map(str), st.from_regex(r"[1-9]\.[0-9]{1,2}(\.[0-9])?", fullmatch=True)
)


@given(
    numbers, numbers, st.sampled_from(["How many {} users may log in?", "Which bug was fixed in version {}?"])
)
@settings(QUICK, max_examples=150)
def test_other_numbers_never_agree(one, two, frame):
    assert (agree(frame.format(one), frame.format(two)) == "") == (one == two)


@given(st.sampled_from(sorted(set(UNITS.values()))), st.sampled_from(sorted(set(UNITS.values()))))
@settings(QUICK, max_examples=150)
def test_other_units_never_agree(one, two):
    frame = "Is 5 {} of it too much?"
    assert (agree(frame.format(one), frame.format(two)) == "") == (one == two)


@given(st.dates(), st.dates())
@settings(QUICK, max_examples=100)
def test_dates_agree_in_any_format_and_with_no_other_day(one, two):
    frame = "Is the ferry to Oslo running on {}?"
    day, month = one.day, one.strftime("%B")
    told = frame.format(f"{month} {day}, {one.year:04d}")
    assert agree(told, frame.format(one.isoformat())) == ""
    assert agree(told, frame.format(f"{day} {month} {one.year:04d}")) == ""
    assert (agree(told, frame.format(two.isoformat())) == "") == (one == two)


OPPOSITES = """
open close, start stop, enable disable, add remove, increase decrease, before after, more less,
first last, maximum minimum, import export, buy sell, lock unlock, install uninstall, allow forbid,
above below, over under, hot cold, win lose, inside outside, with without, all some, always never,
can must, must should, my your, push pull, encrypt decrypt, upload download, earliest latest, left
right, up down, to from, ascending descending, accept refuse, lend borrow, and or
"""


@pytest.mark.parametrize("pair", [tuple(p.split()) for p in OPPOSITES.replace("\n", " ").split(",")])
def test_opposites_never_agree(pair):
    one, two = pair
    for frame in (
        "How does {} matter for the plan?",
        "Is it {} 5 users?",
        "Which {} files does Ann {} Bob keep?",
    ):
        assert agree(frame.replace("{}", one), frame.replace("{}", two))


# one word of grammar for another, and every other answer; spoken and written forms of one thing are left out
GRAMMAR = """
all some, every some, must can, can must, may must, should must, before after, after before, more less,
less more, with without, without with, first last, last first, were are, are were, will did, does did,
has had, when where, when why, why how, how why, where when, who when, which how many, and or, or and, my
your, your my, above below, over under, if unless, unless if, until since, always sometimes, near in, up
down, on off, from to, to from, by for, for against, most all, any every, longer shorter, heavier
lighter, higher lower, earlier later, open closed, included excluded, allowed required, required allowed,
two three, km mi, euros dollars, percent euros, kg g, ml l
"""


def changed(question: str) -> Iterator[str]:
    "A question with one word of grammar changed."
    for pair in GRAMMAR.replace("\n", " ").strip().split(", "):
        old, new = pair.split(" ", 1)
        for m in re.finditer(rf"(?<![\w`]){old}(?![\w`])", question, re.I):
            yield question[: m.start()] + new + question[m.end() :]


def test_no_other_word_of_grammar_passes():
    "Neither against the question itself nor against a paraphrase that is found."
    tried, passed = 0, []
    for split in ("dev", "practice"):
        for p in [p for p in pairs(split) if p.same][::5]:
            others = [p.first] + ([p.second] if not agree(p.second, p.first) else [])
            for text in changed(p.first):
                tried += len(others)
                passed += [p.id for other in others if not agree(text, other)]
    assert tried > 500 and not passed


@pytest.mark.parametrize("split", ["dev", "practice"])
def test_no_look_alike_of_a_development_split_passes(split):
    assert score(lambda first, second: not agree(second, first), split).wrong.count == 0


def test_the_reason_is_told():
    assert agree("Can I pay?", "Can't I pay?").startswith("negation")
    assert agree("Is it 3 km?", "Is it 4 km?") == "numbers: 3 / 4"
    assert agree("Is it 3 km?", "Is it 3 kg?") == "units: km / kg"
    assert agree("Who paid it?", "When was it paid?").startswith("question word")
    assert agree("Can I delete it?", "Can you delete it?") == "who acts"
    assert agree("Can A see B?", "Can B see A?") == "order of words"


def test_long_and_empty_questions():
    long = "Is this a long question? " * 1000
    assert agree(long, long + "no") == "too long to compare" and agree(long, long) == ""
    assert agree("?", "!") == "no words" and agree("", " ") == ""


def test_an_hour_of_forms_is_not_spent_on_one_question():
    "The number of forms is bounded, whatever the question."
    for text in (
        "is a used by b of c ran " * 20,
        "who was and or if " * 25,
        "was " * 120,
        "a of b's c by d in e " * 20,
    ):
        assert len(guard._forms(text[:500]).forms) <= guard._FORMS


HOSTILE = """
is it the a b | what is the | is a of | give me the | who is it that | that is | may i | ,
how many | ? | not | and or | ( | the Aa | A. | an other | quarter past eight | on 4 or 11 August
is a possible for x | do fail to | Aa bb cc | x | please thanks | was it a b or c who | incl. | w/o
what is the number of x in y | i want to , how | that was be used
"""


@pytest.mark.parametrize(
    "part", [part.strip() for part in HOSTILE.replace("\n", "|").split("|") if part.strip()]
)
def test_no_text_holds_the_guard_up(part):
    "Patterns must not run away on what repeats; the limit is generous, since others use the processor, too."
    text = " ".join([part] * (490 // (len(part) + 1)))
    agree("Is it open?", "Is it closed?")  # the lexicon is read once
    start = time.process_time()
    agree(text, text + " zz")
    agree(text, "Is it open on Monday?")
    assert time.process_time() - start < 1


def test_a_short_name_is_the_long_one():
    assert agree("Is Bath in the United Kingdom?", "Is Bath in the UK?") == ""
    assert agree("Is Bath in the United Kingdom?", "Is Bath in the US?")
    assert agree("Is Emma here today?", "Is Emmas here today?")


def test_case_is_meaning_in_code_only_where_the_asker_uses_it():
    assert agree("Is grep -v slow?", "Is grep -V slow?")
    assert agree("Is `Path` hashable?", "Is `path` hashable?")
    assert agree("does COUNT(x) count nulls", "does count(x) count nulls") == ""


def test_phrases_are_found_by_the_words_they_need():
    "The short cut changes nothing: every phrase is also found when each is tried."
    for text in {text for p in pairs("dev") for text in (p.first, p.second)}:
        line = " ".join(plain_words(text).words)
        slow = line
        for _, pattern, new in PHRASES:
            slow = pattern.sub(new, slow)
        assert rephrased(line) == slow


def test_a_word_has_one_group():
    assert len(CANONICAL) == sum(map(len, GROUPS))


def test_it_is_quick_enough_for_a_look_up():
    "By count, since a clock depends on who else is busy: no question of the suite has many forms."
    start = time.process_time()
    forms = [len(guard._forms(p.first).forms) for p in pairs("dev")]
    assert max(forms) <= guard._FORMS and sum(forms) / len(forms) < 12
    assert time.process_time() - start < 30
